// What is known of a command before it runs: the words of the table and of COMMAND DOCS.
//
// Arity counts the name, as Redis does: 2 is exactly one argument, -2 at least one.

/** Who answers: the backend, the connection's own session, or nobody (an explained error). */
type CommandHandler = 'backend' | 'session' | 'refused';

export type ArgumentType =
  'string' | 'integer' | 'key' | 'pattern' | 'oneof' | 'block' | 'pure-token';

/** One argument, as COMMAND DOCS describes it. */
export interface ArgumentSpec {
  readonly name: string;
  readonly type: ArgumentType;
  readonly token?: string;
  /** The release of Redis that brought it, where the command is older. */
  readonly since?: string;
  readonly optional?: boolean;
  readonly multiple?: boolean;
  readonly arguments?: readonly ArgumentSpec[];
}

/** A command or, with a `|` in its name, a subcommand. Key positions are those of COMMAND INFO. */
export interface CommandSpec {
  /** Lower case; a subcommand is `client|id`. */
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly string[];
  /** Hints for clients, as COMMAND INFO has them: which nodes to ask, how to put answers together. */
  readonly tips: readonly string[];
  /** Index of the first key, 0 if the command has none. */
  readonly firstKey: number;
  /** Index of the last key; negative counts from the end. */
  readonly lastKey: number;
  readonly keyStep: number;
  /** What is done with each key, in the words of COMMAND INFO's key specifications. */
  readonly keyFlags: readonly string[];
  readonly handler: CommandHandler;
  /**
   * Runs only once all earlier replies are written: it changes how replies are encoded, or is large
   * work, of which one connection is to have one piece at a time.
   */
  readonly barrier: boolean;
  readonly group: string;
  readonly summary: string;
  readonly since: string;
  /** What it costs here, in Redis's words where it costs the same. */
  readonly complexity: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly subcommands: readonly CommandSpec[];
  /** The whole error text of a refused command. */
  readonly refusal: string;
}

const DEFAULTS: CommandSpec = {
  name: '',
  arity: -1,
  flags: [],
  tips: [],
  firstKey: 0,
  lastKey: 0,
  keyStep: 0,
  keyFlags: ['RO'],
  handler: 'backend',
  barrier: false,
  group: 'generic',
  summary: '',
  since: '1.0.0',
  complexity: 'O(1)',
  arguments: [],
  subcommands: [],
  refusal: '',
};

/** The complexity of a container. */
export const DEPENDS_ON_SUBCOMMAND = 'Depends on subcommand.';

/** A spec of the fields that are not at their defaults. All specs have one shape, for the hot path. */
export function defineCommand(
  fields: Partial<CommandSpec> & Pick<CommandSpec, 'name' | 'arity'>,
): CommandSpec {
  return { ...DEFAULTS, ...fields };
}

export function argument(
  name: string,
  type: ArgumentType = 'string',
  more: Omit<ArgumentSpec, 'name' | 'type'> = {},
): ArgumentSpec {
  return { name, type, ...more };
}

/** A choice of fixed words. */
export function oneOf(
  name: string,
  tokens: readonly string[],
  more: Omit<ArgumentSpec, 'name' | 'type'> = {},
): ArgumentSpec {
  const choices = tokens.map((token) => argument(token.toLowerCase(), 'pure-token', { token }));
  return argument(name, 'oneof', { ...more, arguments: choices });
}
