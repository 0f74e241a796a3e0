// COMMAND: the table in the form that clients read. redis-cli takes its hints from DOCS.

import type { SessionHandlers } from '../commands/backend.ts';
import type { CommandSpec, Description } from '../commands/command-spec.ts';
import {
  COMMANDS,
  arityFits,
  findCommand,
  findCommandByName,
  findSubcommand,
} from '../commands/command-table.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { globMatches } from '../../base/glob.ts';

export const COMMAND_HANDLERS = {
  command: (_, out) => writeInfos(COMMANDS, out),
  'command|count': (_, out) => out.integer(COMMANDS.length),
  'command|docs': (command, out) => writeDocs(namedOrAll(command), out),
  'command|info': (command, out) => writeInfos(namedOrAll(command), out),
  'command|getkeys': (command, out) => writeKeys(command, out),
  'command|list': (command, out) => writeList(command, out),
} satisfies Partial<SessionHandlers>;

/** The commands named from argument 2 on (undefined if unknown), or all of them. */
function namedOrAll(command: CommandArguments): readonly (CommandSpec | undefined)[] {
  if (command.argc <= 2) return COMMANDS;
  const specs: (CommandSpec | undefined)[] = [];
  for (let index = 2; index < command.argc; index++) {
    specs.push(findCommandByName(argumentText(command, index)));
  }
  return specs;
}

function writeInfos(specs: readonly (CommandSpec | undefined)[], out: ReplyWriter): void {
  out.array(specs.length);
  for (const spec of specs) {
    if (spec === undefined) out.nil();
    else writeInfo(spec, out);
  }
}

function writeInfo(spec: CommandSpec, out: ReplyWriter): void {
  out.array(10);
  out.bulkText(spec.name);
  out.integer(spec.arity);
  writeWords(spec.flags, out);
  out.integer(spec.firstKey);
  out.integer(spec.lastKey);
  out.integer(spec.keyStep);
  writeWords(spec.categories, out);
  out.set(spec.tips.length);
  for (const tip of spec.tips) out.bulkText(tip);
  out.set(spec.keySpecs.length);
  for (const keySpec of spec.keySpecs) writeDescription(keySpec, out);
  out.set(spec.subcommands.length);
  for (const each of spec.subcommands) writeInfo(each, out);
}

function writeWords(words: readonly string[], out: ReplyWriter): void {
  out.set(words.length);
  for (const word of words) out.simple(word);
}

/** Writes a part of the data file, in which flags are sets of words. */
function writeDescription(value: Description, out: ReplyWriter): void {
  if (typeof value === 'string') return out.bulkText(value);
  if (typeof value === 'number') return out.integer(value);
  if (isList(value)) {
    out.array(value.length);
    for (const entry of value) writeDescription(entry, out);
    return;
  }
  const entries = Object.entries(value);
  out.map(entries.length);
  for (const [name, entry] of entries) {
    out.bulkText(name);
    if (name === 'flags') writeWords(entry as readonly string[], out);
    else writeDescription(entry, out);
  }
}

function isList(value: Description): value is readonly Description[] {
  return Array.isArray(value);
}

function writeDocs(specs: readonly (CommandSpec | undefined)[], out: ReplyWriter): void {
  const known = specs.filter((spec) => spec !== undefined);
  out.map(known.length);
  for (const spec of known) {
    out.bulkText(spec.name);
    writeDoc(spec, out);
  }
}

function writeDoc(spec: CommandSpec, out: ReplyWriter): void {
  const { summary, since, group, complexity, arguments: words, subcommands } = spec;
  const texts = Object.entries({ summary, since, group, complexity }).filter(([, text]) => text);
  out.map(texts.length + Number(words.length > 0) + Number(subcommands.length > 0));
  for (const text of texts.flat()) out.bulkText(text);
  if (words.length > 0) {
    out.bulkText('arguments');
    out.array(words.length);
    for (const word of words) writeDescription(withDisplayText(word), out);
  }
  if (subcommands.length > 0) {
    out.bulkText('subcommands');
    writeDocs(subcommands, out);
  }
}

/** Adds the field that redis-cli shows since 7.2: the name of each argument that is not a group. */
function withDisplayText(argument: Description): Description {
  if (typeof argument !== 'object' || isList(argument)) return argument;
  const { name = '', type = '', arguments: parts, ...more } = argument;
  if (parts === undefined) return { name, type, display_text: name, ...more };
  return { name, type, ...more, arguments: (parts as Description[]).map(withDisplayText) };
}

/** COMMAND GETKEYS: parses the arguments from 2 on as a command and writes its keys. */
function writeKeys(command: CommandArguments, out: ReplyWriter): void {
  const { buffer, starts, ends } = command;
  let spec = findCommand(buffer, starts[2] as number, ends[2] as number);
  if (spec !== undefined && spec.subcommands.length > 0 && command.argc > 3) {
    spec = findSubcommand(spec, buffer, starts[3] as number, ends[3] as number);
  }
  const argc = command.argc - 2;
  if (spec === undefined) return out.error('ERR Invalid command specified');
  if (spec.firstKey === 0) return out.error('ERR The command has no key arguments');
  if (!arityFits(spec, argc)) {
    return out.error('ERR Invalid number of arguments specified for command');
  }
  const last = spec.lastKey < 0 ? argc + spec.lastKey : spec.lastKey;
  out.array(Math.floor((last - spec.firstKey) / spec.keyStep) + 1);
  for (let index = spec.firstKey; index <= last; index += spec.keyStep) {
    out.bulk(buffer, starts[index + 2], ends[index + 2]);
  }
}

/** COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]. */
function writeList(command: CommandArguments, out: ReplyWriter): void {
  const matches = parseListFilter(command);
  if (matches === undefined) return out.error('ERR syntax error');
  const found = COMMANDS.filter(matches);
  out.array(found.length);
  for (const spec of found) out.bulkText(spec.name);
}

function parseListFilter(command: CommandArguments): ((spec: CommandSpec) => boolean) | undefined {
  if (command.argc === 2) return () => true;
  if (command.argc !== 5 || argumentText(command, 2).toLowerCase() !== 'filterby') return undefined;
  const value = argumentText(command, 4);
  switch (argumentText(command, 3).toLowerCase()) {
    case 'module':
      return () => false;
    case 'aclcat':
      return (spec) => spec.categories.includes(`@${value.toLowerCase()}`);
    case 'pattern':
      return (spec) => globMatches(Buffer.from(value), Buffer.from(spec.name), true);
    default:
      return undefined;
  }
}
