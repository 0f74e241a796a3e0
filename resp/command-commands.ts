// COMMAND: the table as clients read it. redis-cli takes its hints from DOCS.

import type { ArgumentSpec, CommandSpec } from './command-spec.ts';
import {
  COMMANDS,
  arityFits,
  findCommand,
  findCommandByName,
  findSubcommand,
} from './command-table.ts';
import { argumentText } from './decoder.ts';
import type { CommandArguments } from './decoder.ts';
import type { ReplyWriter } from './encoder.ts';
import { globMatches } from './glob.ts';

/** Whose group is another one than the category that they are in. */
const CONNECTION_COMMANDS = new Set(['command', 'readonly', 'readwrite', 'asking']);

export function executeCommandCommand(
  name: string,
  command: CommandArguments,
  out: ReplyWriter,
): void {
  switch (name) {
    case 'command|count':
      return out.integer(COMMANDS.length);
    case 'command|docs':
      return writeDocs(namedOrAll(command), out);
    case 'command|getkeys':
      return writeKeys(command, out);
    case 'command|list':
      return writeList(command, out);
    default:
      return writeInfos(namedOrAll(command), out);
  }
}

/** The commands named from argument 2 on (undefined where unknown), or all of them. */
function namedOrAll(command: CommandArguments): readonly (CommandSpec | undefined)[] {
  if (command.argc <= 2) return COMMANDS;
  const specs: (CommandSpec | undefined)[] = [];
  for (let index = 2; index < command.argc; index++) {
    const spec = findCommandByName(argumentText(command, index));
    specs.push(spec?.handler === 'refused' ? undefined : spec);
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
  writeWords(categoriesOf(spec), out);
  writeTips(spec.tips, out);
  writeKeySpecs(spec, out);
  out.set(spec.subcommands.length);
  for (const each of spec.subcommands) writeInfo(each, out);
}

function writeWords(words: readonly string[], out: ReplyWriter): void {
  out.set(words.length);
  for (const word of words) out.simple(word);
}

function writeTips(tips: readonly string[], out: ReplyWriter): void {
  out.set(tips.length);
  for (const tip of tips) out.bulkText(tip);
}

function categoriesOf(spec: CommandSpec): readonly string[] {
  const [container = ''] = spec.name.split('|');
  // A container of subcommands does nothing itself.
  const isContainer = spec.subcommands.length > 0 && spec.flags.length === 0;
  const isAdmin = spec.flags.includes('admin');
  const isOfConnection = spec.group === 'connection' || CONNECTION_COMMANDS.has(container);
  return [
    ...((spec.group === 'generic' && !isContainer) || spec.name === 'dbsize' ? ['@keyspace'] : []),
    ...(spec.flags.includes('readonly') ? ['@read'] : []),
    ...(spec.group === 'string' ? ['@string'] : []),
    ...(isAdmin ? ['@admin'] : []),
    spec.flags.includes('fast') ? '@fast' : '@slow',
    ...(isAdmin || spec.name === 'info' ? ['@dangerous'] : []),
    ...(isOfConnection && !isContainer ? ['@connection'] : []),
  ];
}

function writeKeySpecs(spec: CommandSpec, out: ReplyWriter): void {
  if (spec.firstKey === 0) return out.set(0);
  out.set(1);
  out.map(3);
  out.bulkText('flags');
  writeWords(spec.keyFlags, out);
  out.bulkText('begin_search');
  writeKeySpecPart('index', [['index', spec.firstKey]], out);
  out.bulkText('find_keys');
  const lastFromFirst = spec.lastKey < 0 ? spec.lastKey : spec.lastKey - spec.firstKey;
  const range = [
    ['lastkey', lastFromFirst],
    ['keystep', spec.keyStep],
    ['limit', 0],
  ] as const;
  writeKeySpecPart('range', range, out);
}

function writeKeySpecPart(
  type: string,
  fields: readonly (readonly [string, number])[],
  out: ReplyWriter,
): void {
  out.map(2);
  out.bulkText('type');
  out.bulkText(type);
  out.bulkText('spec');
  out.map(fields.length);
  for (const [name, value] of fields) {
    out.bulkText(name);
    out.integer(value);
  }
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
  const hasArguments = spec.arguments.length > 0;
  const hasSubcommands = spec.subcommands.length > 0;
  out.map(4 + Number(hasArguments) + Number(hasSubcommands));
  writeText('summary', spec.summary, out);
  writeText('since', spec.since, out);
  writeText('group', spec.group, out);
  writeText('complexity', spec.complexity, out);
  if (hasArguments) {
    out.bulkText('arguments');
    writeArguments(spec.arguments, out);
  }
  if (hasSubcommands) {
    out.bulkText('subcommands');
    writeDocs(spec.subcommands, out);
  }
}

function writeText(name: string, value: string, out: ReplyWriter): void {
  out.bulkText(name);
  out.bulkText(value);
}

function writeArguments(specs: readonly ArgumentSpec[], out: ReplyWriter): void {
  out.array(specs.length);
  for (const spec of specs) writeArgument(spec, out);
}

function writeArgument(spec: ArgumentSpec, out: ReplyWriter): void {
  const flags = [
    ...(spec.optional === true ? ['optional'] : []),
    ...(spec.multiple === true ? ['multiple'] : []),
  ];
  const isShown = spec.arguments === undefined;
  const parts = [
    isShown,
    spec.type === 'key',
    spec.token,
    spec.since,
    flags.length > 0,
    spec.arguments,
  ];
  out.map(2 + parts.filter(Boolean).length);
  writeText('name', spec.name, out);
  writeText('type', spec.type, out);
  // What redis-cli shows since 7.2.
  if (isShown) writeText('display_text', spec.name, out);
  if (spec.type === 'key') {
    out.bulkText('key_spec_index');
    out.integer(0);
  }
  if (spec.token !== undefined) writeText('token', spec.token, out);
  if (spec.since !== undefined) writeText('since', spec.since, out);
  if (flags.length > 0) {
    out.bulkText('flags');
    writeWords(flags, out);
  }
  if (spec.arguments !== undefined) {
    out.bulkText('arguments');
    writeArguments(spec.arguments, out);
  }
}

/** COMMAND GETKEYS: the keys among the arguments from 2 on, taken as a command. */
function writeKeys(command: CommandArguments, out: ReplyWriter): void {
  const { buffer, starts, ends } = command;
  let spec = findCommand(buffer, starts[2] as number, ends[2] as number);
  if (spec !== undefined && spec.subcommands.length > 0 && command.argc > 3) {
    spec = findSubcommand(spec, buffer, starts[3] as number, ends[3] as number);
  }
  const argc = command.argc - 2;
  if (spec === undefined || spec.handler === 'refused') {
    return out.error('ERR Invalid command specified');
  }
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
      return (spec) => categoriesOf(spec).includes(`@${value.toLowerCase()}`);
    case 'pattern':
      return (spec) => globMatches(Buffer.from(value), Buffer.from(spec.name), true);
    default:
      return undefined;
  }
}
