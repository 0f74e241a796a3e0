import { describe, expect, it } from 'vitest';
import { completeLine } from '../../cli/repl/complete.ts';

const words = { commands: ['GET', 'GETRANGE', 'MGET'], keyspaces: ['default', 'demo', 'x'] };

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
  });

  it('offers nothing for a key', () => {
    expect(completeLine('GET us', words)).toEqual([[], 'us']);
  });
});
