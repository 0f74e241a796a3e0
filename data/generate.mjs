// Sample input of any size, the same bytes for the same flags on every machine.
//
//   node data/generate.mjs --rows 10000 --seed 1 --format line > example.data
//
// A key has the shape of a UUID of version 4. Its first eight digits are a bijection of the row
// number, so keys are unique by construction for up to 2^32 rows. A value is 2 to 8 lowercase
// words, or with --value-bytes exactly that many bytes. The rows of a small file are the first rows
// of a larger one with the same seed. This script uses nothing of Stele.

import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';

const USAGE = `usage: node data/generate.mjs --rows N [--seed 1] [--format line|csv|tsv|jsonl]
         [--value-bytes N] [--quoted] [--no-header] [--out FILE]

  --rows N          rows to make, 0 to 4294967295
  --seed N          another seed, other rows: 0 to 4294967295 (default 1)
  --format F        line: key, space, value (default); csv and tsv: a header line, then rows;
                    jsonl: {"key":...,"value":...}
  --value-bytes N   values of exactly N bytes, 0 to 67108864 (default: 2 to 8 words)
  --quoted          csv only: every field in quotes, values with commas, some with doubled quotes
  --no-header       csv and tsv: leave the header line out
  --out FILE        write there instead of to stdout
`;

const UINT32_MAX = 2 ** 32 - 1;
const VALUE_BYTES_MAX = 64 * 1024 * 1024;
const BUFFER_CHARACTERS = 1 << 20;
const FORMATS = ['line', 'csv', 'tsv', 'jsonl'];

const WORDS =
  `amber anchor apple arrow aspen autumn badge bamboo basil beacon birch blossom bridge bronze
  cabin candle canyon cedar chalk cherry cliff clover cobalt comet copper coral cotton crane
  crystal dawn delta desert dune eagle echo ember falcon feather fern field flint forest fossil
  fountain fox garden garnet ginger glacier granite grove harbor hazel heron hill honey horizon
  island ivory jade jasper juniper kettle kite lagoon lantern laurel lemon lily linen lotus
  lunar maple marble meadow mesa mint mirror mist moss mountain nectar north nutmeg oak oasis
  ocean olive onyx orbit orchid otter owl oxide palm paper pearl pebble pepper pine planet plum
  pond poppy prairie quail quartz quill rain raven reed ridge river robin rose ruby saddle saffron
  sage sail salt sand shadow shell silver sky slate snow solar sparrow spring spruce star stone
  storm stream summer sun swallow tea thistle thunder tide timber topaz tulip tundra valley velvet
  vine violet walnut water wave west wheat willow wind winter wolf wood yarrow zenith zephyr`.split(
    /\s+/,
  );

class UsageError extends Error {}

/** Mulberry32 (public domain, Tommy Ettinger): 32 random bits a call, as an unsigned number. */
function randomSource(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (bits ^ (bits >>> 14)) >>> 0;
  };
}

/** A bijection of 32-bit numbers: every step can be undone. */
function scramble(row, seed) {
  let bits = row ^ Math.imul(seed + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

const hex8 = (bits) => bits.toString(16).padStart(8, '0');

/** 122 free bits in the shape of RFC 9562: version digit 4, variant digit 8, 9, a or b. */
function makeKey(row, seed, random) {
  const second = hex8(random());
  const third = hex8(((random() & 0x3fffffff) | 0x80000000) >>> 0);
  return `${hex8(scramble(row, seed))}-${second.slice(0, 4)}-4${second.slice(5)}-${third.slice(0, 4)}-${third.slice(4)}${hex8(random())}`;
}

function makeWords(random) {
  let text = WORDS[random() % WORDS.length];
  for (let more = 1 + (random() % 7); more > 0; more--) {
    text += ` ${WORDS[random() % WORDS.length]}`;
  }
  return text;
}

function makeBytes(random, length) {
  let text = '';
  while (text.length < length) text += `${WORDS[random() % WORDS.length]} `;
  text = text.slice(0, length);
  return text.endsWith(' ') ? `${text.slice(0, -1)}s` : text;
}

/** The same length, with what only a quoted field may hold. */
function withPunctuation(text, row) {
  const comma = text.replace(' ', ',');
  return row % 4 === 0 ? comma.replace(' ', '"') : comma;
}

const quote = (text) => `"${text.replaceAll('"', '""')}"`;

/** One function from (key, value, row) to the line, and the header line or ''. */
function formatOf({ format, quoted, header }) {
  switch (format) {
    case 'csv':
      return {
        head: header ? (quoted ? '"key","value"\n' : 'key,value\n') : '',
        line: quoted
          ? (key, value, row) => `"${key}",${quote(withPunctuation(value, row))}\n`
          : (key, value) => `${key},${value}\n`,
      };
    case 'tsv':
      return { head: header ? 'key\tvalue\n' : '', line: (key, value) => `${key}\t${value}\n` };
    case 'jsonl':
      return { head: '', line: (key, value) => `{"key":"${key}","value":"${value}"}\n` };
    default:
      return { head: '', line: (key, value) => `${key} ${value}\n` };
  }
}

/** The file in pieces of about a megabyte. */
function* pieces(options) {
  const random = randomSource(options.seed);
  const { head, line } = formatOf(options);
  let text = head;
  for (let row = 0; row < options.rows; row++) {
    const key = makeKey(row, options.seed, random);
    const value =
      options.valueBytes === undefined ? makeWords(random) : makeBytes(random, options.valueBytes);
    text += line(key, value, row);
    if (text.length < BUFFER_CHARACTERS) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      rows: { type: 'string' },
      seed: { type: 'string', default: '1' },
      format: { type: 'string', default: 'line' },
      'value-bytes': { type: 'string' },
      quoted: { type: 'boolean', default: false },
      'no-header': { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { help: true };
  if (values.rows === undefined)
    throw new UsageError('--rows is missing; say how many, as in --rows 10000.');
  if (!FORMATS.includes(values.format)) {
    throw new UsageError(`'${values.format}' is not a --format: use ${FORMATS.join(', ')}.`);
  }
  if (values.quoted && values.format !== 'csv') {
    throw new UsageError('--quoted goes with --format csv only.');
  }
  const valueBytes = values['value-bytes'];
  return {
    rows: wholeNumber('--rows', values.rows, UINT32_MAX),
    seed: wholeNumber('--seed', values.seed, UINT32_MAX),
    valueBytes:
      valueBytes === undefined
        ? undefined
        : wholeNumber('--value-bytes', valueBytes, VALUE_BYTES_MAX),
    format: values.format,
    quoted: values.quoted,
    header: !values['no-header'],
    out: values.out,
  };
}

function wholeNumber(flag, text, max) {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN;
  if (value <= max) return value;
  throw new UsageError(`'${text}' is not a number for ${flag}: use 0 to ${max}.`);
}

/**
 * Writes all pieces, never more than one ahead of the reader. A reader that goes away (EPIPE) ends
 * it well.
 */
async function writeAll(options) {
  const stream = options.out === undefined ? process.stdout : createWriteStream(options.out);
  const write = (text) =>
    new Promise((resolve, reject) => {
      stream.write(text, 'latin1', (error) => (error ? reject(error) : resolve()));
    });
  // The callback of each write carries the error too; without a listener it would end the process.
  stream.on('error', () => {});
  for (const text of pieces(options)) await write(text);
  if (options.out === undefined) return;
  await new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.end(resolve);
  });
}

async function main() {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options.help) process.stdout.write(USAGE);
    else await writeAll(options);
  } catch (error) {
    if (error.code === 'EPIPE') return;
    const wrongUse = error instanceof UsageError || String(error.code).startsWith('ERR_PARSE_ARGS');
    process.stderr.write(`generate: ${error.message}\n${wrongUse ? `\n${USAGE}` : ''}`);
    process.exitCode = wrongUse ? 2 : 1;
  }
}

await main();
