// The words that may stand at the cursor of a command line.

import { optionsOf } from '../../base/config.ts';
import type { OptionInfo } from '../../base/config.ts';
import type { Verb, VerbEntry } from '../verb.ts';
import { parseWords, splitLine, verbAt } from './line.ts';
import type { ParsedLine } from './line.ts';

interface Candidate {
  readonly word: string;
  readonly description: string;
}

export interface Candidates {
  readonly words: readonly Candidate[];
  /** Names of files may stand there as well. */
  readonly files: boolean;
}

/** Kinds of names that only a cluster knows. */
export type NameKind = 'keyspaces' | 'nodes' | 'shards' | 'loads' | 'versions' | 'users' | 'roles';

/** The names of a kind; `flags` say which cluster is asked, and `operands` of what. */
export type AskNames = (kind: NameKind, verb: Verb, line: ParsedLine) => Promise<readonly string[]>;

const NONE: Candidates = { words: [], files: false };
const GLOBAL_FLAGS: readonly Candidate[] = [
  { word: '--config', description: 'the settings file' },
  { word: '--log-level', description: 'what is logged' },
  { word: '--log-format', description: 'text or JSON' },
  { word: '--help', description: 'explain the verb' },
];
/** Properties of options whose value is a name. */
const NAMES_OF_OPTIONS: Readonly<Record<string, NameKind>> = {
  keyspace: 'keyspaces',
  defaultKeyspace: 'keyspaces',
  after: 'nodes',
  cancel: 'loads',
  shard: 'shards',
  role: 'roles',
};

type Verbs = ReadonlyMap<string, Pick<VerbEntry, 'load' | 'summary'>>;

/** What may follow `line`, up to the cursor. */
export async function candidatesFor(
  line: string,
  verbs: Verbs,
  askNames: AskNames,
): Promise<Candidates> {
  const { current, words } = splitLine(line);
  const at = verbAt(words);
  const found =
    at === -1 ? verbCandidates(verbs) : await afterVerb(words[at] ?? '', words.slice(at + 1));
  const fitting = found.words.filter(({ word }) => word.startsWith(current));
  return { words: fitting, files: found.files };

  async function afterVerb(name: string, rest: readonly string[]): Promise<Candidates> {
    const verb = await verbs.get(name)?.load();
    if (verb === undefined) return NONE;
    const parsed = parseWords(rest, verb);
    const ask = (kind: NameKind) => askNames(kind, verb, parsed);
    if (parsed.awaiting !== undefined) return valuesOf(parsed.awaiting, '', ask);
    const [flag = '', value] = current.split('=', 2);
    if (value !== undefined) {
      const info = optionsOf(verb.schema).find((one) => `--${one.flag}` === flag);
      return info === undefined ? NONE : valuesOf(info, `${flag}=`, ask);
    }
    if (current.startsWith('-')) return { words: flagsOf(verb), files: false };
    return operandsOf(verbs, verb, parsed, ask);
  }
}

function verbWords(verbs: Verbs): Candidate[] {
  return [...verbs].map(([word, { summary }]) => ({ word, description: summary }));
}

function verbCandidates(verbs: Verbs): Candidates {
  const more = { word: '--version', description: 'print the version' };
  const help = { word: 'help', description: 'explain a verb' };
  return { words: [...verbWords(verbs), help, ...GLOBAL_FLAGS, more], files: false };
}

function flagsOf(verb: Verb): Candidate[] {
  const own = optionsOf(verb.schema).map(({ description, flag }) => ({
    word: `--${flag}`,
    description,
  }));
  return [...own, ...GLOBAL_FLAGS.filter(({ word }) => own.every((one) => one.word !== word))];
}

type Ask = (kind: NameKind) => Promise<readonly string[]>;

async function valuesOf(info: OptionInfo, prefix: string, ask: Ask): Promise<Candidates> {
  const kind = NAMES_OF_OPTIONS[info.property];
  const values = info.choices ?? (kind === undefined ? [] : await ask(kind));
  return { words: plain(values.map((value) => prefix + value)), files: isPath(info) };
}

function isPath({ flag, kind, placeholder = '' }: OptionInfo): boolean {
  return (
    (kind === 'text' || kind === 'list') &&
    /^(?:dir|file|folder|path|keyspace=path)$/i.test(placeholder || flag)
  );
}

async function operandsOf(
  verbs: Verbs,
  verb: Verb,
  line: ParsedLine,
  ask: Ask,
): Promise<Candidates> {
  const specs = verb.operands.split(' ').map((spec) => spec.replace(/^[<[](.*)[>\]]$/, '$1'));
  const at = Math.min(line.operands.length, specs.length - 1);
  const spec = specs[at] ?? '';
  if (line.operands.length >= specs.length && !spec.endsWith('...')) return NONE;
  const name = spec.replace(/[.]{3}$/, '');
  if (at === 0 && verb.actions !== undefined) return { words: plain(verb.actions), files: false };
  if (name.includes('|')) return { words: plain(name.split('|')), files: false };
  switch (name) {
    case 'keyspace':
      return { words: plain(await ask('keyspaces')), files: false };
    case 'version':
    case 'from':
    case 'to':
      return { words: plain(await ask('versions')), files: false };
    case 'verb':
      return { words: verbWords(verbs), files: false };
    case 'file':
    case 'path':
      return { words: [], files: true };
    case 'id':
    case 'name': {
      const kind = kindOfName(verb.name, line.operands[0] ?? '');
      return { words: plain(kind === undefined ? [] : await ask(kind)), files: false };
    }
    default:
      return NONE;
  }
}

/** What the second operand names. */
function kindOfName(verb: string, first: string): NameKind | undefined {
  if (verb === 'node') return first === 'restart-all' ? undefined : 'nodes';
  if (verb === 'user') return first === 'add' || first === 'list' ? undefined : 'users';
  if (verb === 'role') return first === 'list' ? undefined : 'roles';
  const described = new Map<string, NameKind>([
    ['keyspace', 'keyspaces'],
    ['node', 'nodes'],
    ['shard', 'shards'],
    ['load', 'loads'],
  ]);
  return verb === 'describe' ? described.get(first) : undefined;
}

function plain(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word, description: '' }));
}
