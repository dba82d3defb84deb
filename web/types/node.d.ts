// What the unit tests use of Node. Its own types would change those of the page: setTimeout is another one there.

declare module "node:test" {
  interface Timers {
    enable(options: { apis: string[]; now?: number }): void;
    tick(milliseconds: number): void;
    reset(): void;
  }
  interface Context {
    after(clean: () => void): void;
    mock: { timers: Timers };
  }
  export default function test(name: string, run: (context: Context) => void | Promise<void>): void;
}

declare module "node:assert/strict" {
  interface Assert {
    (value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    notEqual(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    match(text: string, pattern: RegExp): void;
    throws(run: () => unknown, expected?: object): void;
    rejects(run: Promise<unknown> | (() => Promise<unknown>), expected?: object): Promise<void>;
  }
  const assert: Assert;
  export default assert;
}

declare module "node:module" {
  export function register(hooks: string | URL, parent?: string | URL): void;
}

declare module "fake-indexeddb/auto";
