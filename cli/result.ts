// The result of a verb in the form that was asked for: text for people, or JSON or YAML for
// programs.

import { snakeCased, toJson } from './json-output.ts';
import type { Output } from './output.ts';

/** The values of `-o`; verbs that list nothing have the first three. */
export const RESULT_FORMS = ['table', 'json', 'yaml'] as const;
export const LISTING_FORMS = ['table', 'wide', 'json', 'yaml', 'name'] as const;

export type ListingForm = (typeof LISTING_FORMS)[number];

/** Whether the form is one for programs. */
export function isForPrograms(form: ListingForm): form is 'json' | 'yaml' {
  return form === 'json' || form === 'yaml';
}

/**
 * `value` as one line of JSON, or as YAML without a newline at the end; camelCase names become
 * snake_case at every depth.
 */
export async function serialized(form: 'json' | 'yaml', value: unknown): Promise<string> {
  if (form === 'json') return toJson(value);
  // Loaded on demand, because most commands do without.
  const { stringify } = await import('yaml');
  // Text that could be taken for a number or a date stays text, also for readers of YAML 1.1.
  return stringify(snakeCased({ value })['value'], { version: '1.1', lineWidth: 0 }).trimEnd();
}

/** Prints `value` for programs, or the text for people. */
export async function printResult(
  output: Output,
  form: ListingForm,
  value: unknown,
  text: () => string,
): Promise<void> {
  output.line(isForPrograms(form) ? await serialized(form, value) : text());
}
