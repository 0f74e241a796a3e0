// The description of each command: commands.json, in the terms of Redis's own COMMAND.
//
// The data is what COMMAND INFO and COMMAND DOCS of redis-server 7.0 say, with Stele's own
// commands, the newer commands that clients send, and Stele's differences
// (test/e2e/redis/redis-replies.test.ts compares the two). The section of a command determines what
// answers it:
//
//   value        it needs only the value of one key: value-replies.ts
//   collection   it reads another type than strings: WRONGTYPE, or the reply for a missing key
//   keys         it reads several keys: a backend, by keys-replies.ts
//   cluster      it describes the cluster: cluster-commands.ts
//   backend      everything else that needs data: each backend
//   session      it needs only the connection and a few facts: session-commands.ts
//   container    it only has subcommands
//   refused      an error that says why
//
// The names of a section are a closed union, and each section has a Record of handlers, so a
// command without a handler does not compile. Arity includes the name, as in Redis: 2 is exactly
// one argument, -2 at least one.

import table from './commands.json' with { type: 'json' };

export type ValueCommand = keyof typeof table.value;
export type CollectionCommand = keyof typeof table.collection;
export type KeysCommand = keyof typeof table.keys;
export type ClusterCommand = keyof typeof table.cluster;
export type BackendCommand = keyof typeof table.backend;
export type SessionCommand = keyof typeof table.session;

type Section = keyof typeof table;

/** A part of COMMAND INFO or COMMAND DOCS as Redis structures it; `flags` are sets of words. */
export type Description =
  string | number | readonly Description[] | { readonly [name: string]: Description };

/** A command or, with a `|` in its name, a subcommand. Key positions are those of COMMAND INFO. */
export interface CommandSpec {
  /** The index in COMMAND_SPECS. */
  readonly id: number;
  /** Lower case; a subcommand is `client|id`. */
  readonly name: string;
  readonly handler: Section;
  readonly arity: number;
  readonly flags: readonly string[];
  /** Index of the first key, 0 if the command has none. */
  readonly firstKey: number;
  /** Index of the last key; negative counts from the end. */
  readonly lastKey: number;
  readonly keyStep: number;
  readonly categories: readonly string[];
  /** Hints for clients, as in COMMAND INFO: which nodes to ask, how to merge their replies. */
  readonly tips: readonly string[];
  readonly keySpecs: readonly Description[];
  /**
   * Runs only once all earlier replies are written, because it changes how replies are encoded, or
   * because it is expensive: a connection runs at most one such command at a time.
   */
  readonly barrier: boolean;
  /**
   * Timed by itself, because it may take long; others share a reading of the clock
   * (command-times.ts).
   */
  readonly isTimed: boolean;
  /** The fields of COMMAND DOCS. */
  readonly group: string;
  readonly summary: string;
  readonly since: string;
  readonly complexity: string;
  readonly arguments: readonly Description[];
  readonly subcommands: readonly CommandSpec[];
  /** The whole error text of a refused command; empty for others. */
  readonly refusal: string;
}

/** A command of the data file. Omitted fields are empty. */
interface CommandData {
  readonly arity: number;
  readonly flags?: readonly string[];
  readonly keys?: readonly [number, number, number];
  readonly categories?: readonly string[];
  readonly tips?: readonly string[];
  readonly keySpecs?: readonly Description[];
  readonly group: string;
  readonly summary: string;
  readonly since: string;
  readonly complexity?: string;
  readonly arguments?: readonly Description[];
}

const BARRIERS: ReadonlySet<string> = new Set<
  BackendCommand | KeysCommand | SessionCommand | ValueCommand
>([
  'bitcount',
  'bitpos',
  'cluster|countkeysinslot',
  'cluster|getkeysinslot',
  'dump',
  'exec',
  'hello',
  'keys',
  'lcs',
  'randomkey',
  'reset',
  'scan',
]);

/** Sections whose commands read one value at most. */
const ONE_VALUE: ReadonlySet<Section> = new Set(['value', 'collection']);

/** All commands and subcommands, including refused ones, by `id`. */
export const COMMAND_SPECS: readonly CommandSpec[] = readSpecs();

function readSpecs(): CommandSpec[] {
  const sections = Object.entries(table) as unknown as [Section, Record<string, CommandData>][];
  const specs: CommandSpec[] = [];
  const subcommandsOf = new Map<string, CommandSpec[]>();
  for (const [handler, commands] of sections) {
    for (const [name, data] of Object.entries(commands)) {
      const subcommands = subcommandsOf.get(name) ?? [];
      if (!name.includes('|')) subcommandsOf.set(name, subcommands);
      specs.push(specOf(specs.length, name, handler, data, subcommands));
    }
  }
  for (const spec of specs) {
    if (spec.name.includes('|')) subcommandsOf.get(spec.name.split('|')[0] ?? '')?.push(spec);
  }
  return specs;
}

/** Makes a spec. All specs have the same fields in the same order, for the hot path. */
function specOf(
  id: number,
  name: string,
  handler: Section,
  data: CommandData,
  subcommands: readonly CommandSpec[],
): CommandSpec {
  const { arity, flags = [], keys = [0, 0, 0], categories = [], tips = [], keySpecs = [] } = data;
  return {
    id,
    name,
    handler,
    arity,
    flags,
    firstKey: keys[0],
    lastKey: keys[1],
    keyStep: keys[2],
    categories,
    tips,
    keySpecs,
    barrier: BARRIERS.has(name),
    isTimed: BARRIERS.has(name) || !(flags.includes('fast') || ONE_VALUE.has(handler)),
    group: data.group,
    summary: data.summary,
    since: data.since,
    complexity: data.complexity ?? '',
    arguments: data.arguments ?? [],
    subcommands,
    refusal: handler === 'refused' ? refusalOf(name, data) : '',
  };
}

function refusalOf(name: string, data: CommandData): string {
  return `ERR ${name.replace('|', ' ').toUpperCase()} is not supported: ${reasonOf(name, data)}`;
}

function reasonOf(name: string, { group, flags = [] }: CommandData): string {
  if (group === 'scripting') return 'there is no scripting here.';
  if (group === 'pubsub') return 'there are no channels here.';
  if (name === 'monitor') {
    return 'the commands of other clients are not shown; INFO commandstats counts them.';
  }
  if (flags.includes('write') || name === 'xgroup') {
    return "the data is immutable here; load a new version with 'stele load KEYSPACE FILE'.";
  }
  if (flags.includes('readonly') || name === 'xinfo') return 'every value is a string here.';
  return "the cluster is managed with the stele command; see 'stele --help'.";
}
