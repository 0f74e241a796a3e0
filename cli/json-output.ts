// The output of `-o json`: one line, with snake_case names as over HTTP.

import type { Output } from './output.ts';

/** `value` as one line of JSON; camelCase names become snake_case at every depth. */
export function toJson(value: unknown): string {
  return JSON.stringify(anySnakeCased(value));
}

/** Prints `toJson(value)`. */
export function printJson(output: Output, value: unknown): void {
  output.line(toJson(value));
}

/** A copy of `value` with snake_case names; undefined members are left out, as in JSON. */
export function snakeCased(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [snakeCase(name), anySnakeCased(inner)]),
  );
}

function anySnakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(anySnakeCased);
  return value === null || typeof value !== 'object' ? value : snakeCased(value);
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
