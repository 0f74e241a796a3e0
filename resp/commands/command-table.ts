// The table of commands, and its lookup by the bytes that a client sent.
//
// Every command takes this lookup: an open-addressed hash table over lower-cased bytes, which
// compares bytes and allocates nothing. Names match in any case, as in Redis.

import { COMMAND_SPECS } from './command-spec.ts';
import type { CommandSpec } from './command-spec.ts';

/** Every command of Redis, including refused ones, without subcommands; sorted by name. */
export const COMMANDS: readonly CommandSpec[] = COMMAND_SPECS.filter(
  (spec) => !spec.name.includes('|'),
).sort((left, right) => (left.name < right.name ? -1 : 1));

/** A hash table of specs by the bytes of their (last) name. */
class CommandIndex {
  readonly #mask: number;
  readonly #names: (Uint8Array | undefined)[];
  readonly #specs: (CommandSpec | undefined)[];

  constructor(specs: readonly CommandSpec[]) {
    let capacity = 8;
    while (capacity < specs.length * 4) capacity *= 2;
    this.#mask = capacity - 1;
    this.#names = Array.from({ length: capacity }, () => undefined);
    this.#specs = Array.from({ length: capacity }, () => undefined);
    for (const spec of specs) this.#add(spec);
  }

  /** The command named by `bytes[start .. end)` in any case; hot. */
  find(bytes: Uint8Array, start: number, end: number): CommandSpec | undefined {
    const names = this.#names;
    let at = hashName(bytes, start, end) & this.#mask;
    for (let name = names[at]; name !== undefined; name = names[at]) {
      if (equalsName(name, bytes, start, end)) return this.#specs[at];
      at = (at + 1) & this.#mask;
    }
    return undefined;
  }

  #add(spec: CommandSpec): void {
    const name = Buffer.from(spec.name.slice(spec.name.indexOf('|') + 1));
    let at = hashName(name, 0, name.length) & this.#mask;
    while (this.#names[at] !== undefined) at = (at + 1) & this.#mask;
    this.#names[at] = name;
    this.#specs[at] = spec;
  }
}

const TABLE = new CommandIndex(COMMANDS);
const SUBCOMMANDS = new Map(
  COMMANDS.filter((spec) => spec.subcommands.length > 0).map((spec) => [
    spec,
    new CommandIndex(spec.subcommands),
  ]),
);

/** The command (not yet its subcommand) named by `bytes[start .. end)`, including refused ones. */
export function findCommand(
  bytes: Uint8Array,
  start: number,
  end: number,
): CommandSpec | undefined {
  return TABLE.find(bytes, start, end);
}

/** The subcommand of `container` named by `bytes[start .. end)`. */
export function findSubcommand(
  container: CommandSpec,
  bytes: Uint8Array,
  start: number,
  end: number,
): CommandSpec | undefined {
  return SUBCOMMANDS.get(container)?.find(bytes, start, end);
}

/** A command or subcommand by its text (`get`, `client|id`), in any case. */
export function findCommandByName(text: string): CommandSpec | undefined {
  const [name = '', sub] = text.split('|', 2);
  const bytes = Buffer.from(name);
  const spec = findCommand(bytes, 0, bytes.length);
  if (sub === undefined || spec === undefined) return spec;
  const subBytes = Buffer.from(sub);
  return findSubcommand(spec, subBytes, 0, subBytes.length);
}

/** Whether a command accepts `argc` words, its name included. */
export function arityFits(spec: CommandSpec, argc: number): boolean {
  return spec.arity >= 0 ? argc === spec.arity : argc >= -spec.arity;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

function hashName(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) {
    hash = (Math.imul(hash, 31) + lower(bytes[at] as number)) | 0;
  }
  return hash ^ (hash >>> 7);
}

function equalsName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let index = 0; index < name.length; index++) {
    if (name[index] !== lower(bytes[start + index] as number)) return false;
  }
  return true;
}
