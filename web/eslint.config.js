/** What is asked of the page's code beyond its types. Run from the folder above: the page lies outside of this one. */

import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["lib/xal/server/page/vendor/"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-restricted-properties": ["error", { property: "innerHTML", message: "Text from data only ever becomes text: see dom.js." }],
      "no-unused-vars": ["error", { ignoreRestSiblings: true, argsIgnorePattern: "^_" }],
    },
  },
  { files: ["lib/xal/server/page/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["web/tests/*.js"], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
];
