import { describe, expect, it } from 'vitest';
import type { CommandDocs } from '../../cli/repl/command-docs.ts';
import { completeLine } from '../../cli/repl/complete.ts';

const key = { syntax: 'key', isKey: true, isMultiple: false };
const keys = { syntax: 'key [key ...]', isKey: true, isMultiple: true };
const docs = new Map(
  [
    { name: 'GET', arguments: [key] },
    { name: 'GETRANGE', arguments: [key, { ...key, syntax: 'start', isKey: false }] },
    { name: 'MGET', arguments: [keys] },
    {
      name: 'CLIENT',
      arguments: [],
      group: 'connection',
      subcommands: [subcommand('CLIENT ID'), subcommand('CLIENT INFO')],
    },
    {
      name: 'MEMORY',
      arguments: [],
      subcommands: [{ ...subcommand('MEMORY USAGE'), arguments: [key] }],
    },
  ].map((each): [string, CommandDocs] => [
    each.name,
    { summary: '', group: 'string', subcommands: [], ...each },
  ]),
);
const words = {
  docs,
  keyspaces: ['default', 'demo', 'x'],
  keys: (start: string) => ['user:2', 'user:1', 'other'].filter((name) => name.startsWith(start)),
};

function subcommand(name: string): CommandDocs {
  return { name, summary: '', group: 'connection', arguments: [], subcommands: [] };
}

describe('completeLine', () => {
  it('completes commands in the case they were begun in', () => {
    expect(completeLine('GE', words)).toEqual([['GET ', 'GETRANGE '], 'GE']);
    expect(completeLine('ge', words)).toEqual([['get ', 'getrange '], 'ge']);
  });

  it('includes its own words too, and everything on an empty line', () => {
    expect(completeLine('u', words)).toEqual([['use '], 'u']);
    expect(completeLine('', words)[0]).toEqual(
      expect.arrayContaining(['use ', 'exit ', 'GET ', 'MGET ']),
    );
  });

  it.each(['use d', 'USE d', 'select d', 'SELECT d'])('completes keyspaces in %j', (line) => {
    expect(completeLine(line, words)).toEqual([['default', 'demo'], 'd']);
  });

  it('completes what help can explain', () => {
    expect(completeLine('help MG', words)).toEqual([['MGET '], 'MG']);
    expect(completeLine('help @', words)).toEqual([['@connection ', '@string '], '@']);
  });

  it('completes subcommands', () => {
    expect(completeLine('client i', words)).toEqual([['id ', 'info '], 'i']);
  });

  it.each(['GET us', 'MGET a b us', 'memory usage us', 'pretty GET us', '5 get us'])(
    'completes the keys of earlier commands in %j',
    (line) => {
      expect(completeLine(line, words)).toEqual([['user:2', 'user:1'], 'us']);
    },
  );

  it('offers nothing where no key belongs', () => {
    expect(completeLine('GETRANGE a us', words)).toEqual([[], 'us']);
    expect(completeLine('frob us', words)).toEqual([[], 'us']);
  });
});
