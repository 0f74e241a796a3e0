// The sources of settings besides flags: the environment and stele.yaml.
//
// stele.yaml is flat, keyed by flag name, one file for all verbs:
//
//   data-dir: /var/lib/stele
//   http-port: 9000
//   load: [prices=/data/prices.csv]
//   zone:                               left empty: not set
//   comment: "#"                        without the quotes it would be a YAML comment, which is refused

import { readFileSync } from 'node:fs';
import type { Scalar } from 'yaml';
import { SteleError, systemErrorCode } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';

const DEFAULT_PATH = 'stele.yaml';
const FILE_BYTES_MAX = 1024 * 1024;

export interface SettingsFile {
  /** Undefined: there is no file, and none was asked for. */
  readonly path: string | undefined;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads `askedPath`, or ./stele.yaml if it exists. Throws INPUT_NOT_FOUND if the asked file does
 * not exist, and INVALID_ARGUMENT if it is not a flat list of settings.
 */
export async function readSettingsFile(askedPath: string | undefined): Promise<SettingsFile> {
  const path = askedPath ?? DEFAULT_PATH;
  const text = readText(path, askedPath !== undefined);
  if (text === undefined) return { path: undefined, values: {} };
  // Loaded on demand, because most commands run without a file and should not wait for a YAML
  // parser.
  const yaml = await import('yaml');
  return { path, values: checkFlat(path, parseYaml(path, text, yaml)) };
}

function readText(path: string, asked: boolean): string | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length <= FILE_BYTES_MAX) return bytes.toString('utf8');
  } catch (thrown) {
    if (!asked && systemErrorCode(thrown) === 'ENOENT') return undefined;
    const why = systemErrorCode(thrown) === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new SteleError(
      'INPUT_NOT_FOUND',
      `The configuration file ${path} ${why}; check --config.`,
      { cause: thrown },
    );
  }
  throw new SteleError(
    'INVALID_ARGUMENT',
    `${path} is over 1 MiB, so it is not a configuration file.`,
  );
}

/**
 * Returns scalars as they are written, like the values of flags: YAML would turn `007` into 7,
 * `1.10` into 1.1, and a number too large for a double into another one.
 */
function parseYaml(path: string, text: string, yaml: typeof import('yaml')): unknown {
  try {
    const parsed = yaml.parseDocument(text);
    const [error] = parsed.errors;
    if (error?.code === 'MULTIPLE_DOCS') throw severalDocuments(path);
    if (error !== undefined) throw error;
    refuseNulls(path, text, parsed.contents, yaml);
    yaml.visit(parsed, {
      Scalar(_key, node) {
        const isText = typeof node.value === 'string' || node.value === null;
        if (!isText && node.source !== undefined) node.value = node.source;
      },
    });
    return parsed.toJS();
  } catch (thrown) {
    if (thrown instanceof SteleError) throw thrown;
    const reason = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : '';
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The configuration file ${path} is not valid YAML: ${shorten(reason, 200).replace(/[:.]$/, '')}.`,
      { cause: thrown },
    );
  }
}

function severalDocuments(path: string): SteleError {
  const text = `The configuration file ${path} has several YAML documents (lines of ---); put all settings into one.`;
  return new SteleError('INVALID_ARGUMENT', text);
}

/** Refuses values that YAML reads as null although something is written there: `#`, `~`, null. */
function refuseNulls(
  path: string,
  text: string,
  contents: unknown,
  yaml: typeof import('yaml'),
): void {
  if (!yaml.isMap(contents)) return;
  for (const { key, value } of contents.items) {
    const items = yaml.isSeq(value) ? value.items : [];
    if (!isWrittenNull(value, text, yaml) && !items.some((item) => isNull(item, yaml))) continue;
    const name = shorten(String(key));
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The configuration file ${path} has a value of '${name}' that YAML reads as null: # begins a comment, and ~ and null mean no value. Put it in quotes (${name}: "#"), or delete the line.`,
    );
  }
}

function isNull(node: unknown, yaml: typeof import('yaml')): node is Scalar {
  return yaml.isScalar(node) && node.value === null;
}

/** Whether the null is written out; `name:` with nothing after it leaves a setting unset. */
function isWrittenNull(node: unknown, text: string, yaml: typeof import('yaml')): boolean {
  if (!isNull(node, yaml)) return false;
  const [restOfLine = ''] = text.slice(node.range?.[0] ?? 0).split('\n', 1);
  return node.source !== '' || restOfLine.trimStart().startsWith('#');
}

function checkFlat(path: string, parsed: unknown): Record<string, unknown> {
  if (parsed === null || parsed === undefined) return {};
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The configuration file ${path} must be a list of \`name: value\` lines.`,
    );
  }
  for (const [key, value] of Object.entries(parsed)) {
    if (isScalar(value) || (Array.isArray(value) && value.every(isScalar))) continue;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The configuration file ${path} nests values under '${shorten(key)}'; write one \`name: value\` line for each setting.`,
    );
  }
  return parsed as Record<string, unknown>;
}

function isScalar(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

/**
 * The settings in the environment: variables of Stele's own names, without those that Kubernetes
 * sets in every pod for services with such a name. For one named `stele-http`,
 * `STELE_HTTP_PORT=tcp://10.0.0.1:9000` is the address of that service, not the setting
 * `--http-port`.
 */
export function settingsEnvironment(
  environment: Readonly<NodeJS.ProcessEnv>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => name.startsWith('STELE_') && !isServiceLink(name, value),
    ),
  );
}

/** Those of `names` that are set in the environment and are addresses of Kubernetes services. */
export function serviceLinks(
  environment: Readonly<NodeJS.ProcessEnv>,
  names: readonly string[],
): string[] {
  return names.filter((name) => isServiceLink(name, environment[name]));
}

/** No setting has such a name, which a test checks for all verbs. */
const SERVICE_LINK =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_PROTO|_PORT|_ADDR)?)$/;

function isServiceLink(name: string, value: string | undefined): boolean {
  if (value === undefined) return false;
  return (
    SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):[/][/]/.test(value))
  );
}
