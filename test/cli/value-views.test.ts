import { describe, expect, it } from 'vitest';
import { hexDump, prettyValue, safeText } from '../../cli/repl/value-views.ts';

describe('prettyValue', () => {
  it('indents JSON, and leaves every number and string as it is written', () => {
    const value = '{"id":12345678901234567890,"e":1.50,"a":[1,[],{}],"t":"x: {\\"y\\",[z]}"}';
    expect(prettyValue(Buffer.from(value))).toBe(
      [
        '{',
        '  "id": 12345678901234567890,',
        '  "e": 1.50,',
        '  "a": [',
        '    1,',
        '    [],',
        '    {}',
        '  ],',
        '  "t": "x: {\\"y\\",[z]}"',
        '}',
      ].join('\n'),
    );
  });

  it('shows other text as it is, without what would change the terminal', () => {
    expect(prettyValue(Buffer.from('12 {not json'))).toBe('12 {not json');
    expect(prettyValue(Buffer.from('{broken'))).toBe('{broken');
    expect(prettyValue(Buffer.from('a\tb\n\u001B[2Jé\u009B1m'))).toBe('a\tb\n\\x1b[2Jé\\x9b1m');
  });

  it('shows bytes that are no text in hexadecimal', () => {
    expect(prettyValue(Buffer.from([0xff, 0x41]))).toMatch(/^00000000 {2}ff 41 .*\|[.]A\|$/);
  });
});

describe('hexDump', () => {
  it('has sixteen bytes a line, and says how many are left out', () => {
    const lines = hexDump(Buffer.alloc(16 * 1024 + 5, 'a')).split('\n');
    expect(lines).toHaveLength(1025);
    expect(lines[1]).toBe(`00000010  ${'61 '.repeat(16)} |${'a'.repeat(16)}|`);
    expect(lines.at(-1)).toBe('... and 5 more bytes');
    expect(hexDump(Buffer.alloc(0))).toBe('(empty)');
  });
});

it('safeText leaves no control character but tabs and line ends', () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));
  expect(safeText('a\r\nb\rc')).toBe('a\r\nb\\x0dc');
  // oxlint-disable-next-line no-control-regex -- they are what must be gone
  expect(safeText(all)).not.toMatch(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/);
});
