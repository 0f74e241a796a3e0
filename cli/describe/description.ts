// A description of one thing: fields, then parts with a table each; for programs one object.
//
//   Name:      prices
//   State:     running
//
//   Versions:
//     VERSION  CURRENT  ...

export interface Description {
  readonly fields: readonly Field[];
  readonly parts: readonly Part[];
  readonly json: object;
}

/** A label, and its value; an empty value is shown as `-`. */
export type Field = readonly [label: string, value: string];

export interface Part {
  readonly title: string;
  /** One or more lines. */
  readonly text: string;
}

const INDENT = '  ';

/** The description as text, without a newline at the end. */
export function formatDescription({ fields, parts }: Description): string {
  const width = Math.max(...fields.map(([label]) => label.length)) + 1;
  const lines = fields.map(([label, value]) => `${`${label}:`.padEnd(width)}  ${value || '-'}`);
  for (const { text, title } of parts) {
    lines.push('', `${title}:`, ...text.split('\n').map((line) => INDENT + line));
  }
  return lines.join('\n');
}

/** How tables in a description are listed. */
export const TABLE = { output: 'table', noHeaders: false } as const;
