import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { findInputs } from '../../../loader/input/find-inputs.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { rawFrame } from '../../support/inputs/zstd-frames.ts';
import { write } from '../load-setup.ts';

async function found(paths: string[], isFormatGiven = false) {
  const notices: string[] = [];
  const inputs = await findInputs(paths, isFormatGiven ? 'csv' : 'auto', (text) =>
    notices.push(text),
  );
  return { inputs, names: inputs.map(({ path }) => basename(path)), notices };
}

async function failure(...paths: string[]): Promise<string> {
  try {
    await found(paths);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(SteleError);
    return `${(thrown as SteleError).code} ${(thrown as SteleError).message}`;
  }
  throw new Error('it was found');
}

describe('a folder', () => {
  it('is its files of known endings by name, without what data lake tools write', async () => {
    const folder = tempDir();
    for (const name of [
      'b.csv',
      'a.tsv.gz',
      'c.jsonl',
      '_SUCCESS',
      '_metadata.csv',
      '.hidden.csv',
    ]) {
      write(folder, name, 'x');
    }
    for (const name of ['.b.csv.crc', 'b.csv.crc', 'notes.md', 'part-00000'])
      write(folder, name, 'x');
    mkdirSync(join(folder, 'inside.csv'));
    symlinkSync(join(folder, 'b.csv'), join(folder, 'link.csv'));
    const { names, notices } = await found([folder]);
    expect(names).toEqual(['a.tsv.gz', 'b.csv', 'c.jsonl', 'link.csv']);
    expect(notices).toEqual([
      `in '${folder}' not read: .b.csv.crc, .hidden.csv, _SUCCESS, _metadata.csv, b.csv.crc and 2 more`,
      `in '${folder}' not read: a folder`,
      `'${join(folder, 'a.tsv.gz')}' is not compressed, despite its name; it is read as it is`,
    ]);
  });

  it('has its files without any ending too where --format says what they are', async () => {
    const folder = tempDir();
    for (const name of ['part-00001', 'part-00000', '000000_0', 'notes.md'])
      write(folder, name, 'x');
    expect((await found([folder], true)).names).toEqual(['000000_0', 'part-00000', 'part-00001']);
    expect(await failure(folder)).toMatch(/^INPUT_NOT_FOUND .* has no \.data/);
  });

  it('is refused where a wanted file is a link to nothing, or has a name that is not UTF-8', async () => {
    const folder = tempDir();
    write(folder, 'a.csv', 'x');
    symlinkSync(join(folder, 'nowhere'), join(folder, 'b.csv'));
    expect(await failure(folder)).toMatch(
      /^INPUT_NOT_FOUND '.*b\.csv' is a link to a missing file/,
    );
    expect(await failure(join(folder, '*.csv'))).toMatch(/b\.csv' is a link to a missing file/);
    rmSync(join(folder, 'b.csv'));
    writeFileSync(Buffer.from(join(folder, 'c\xe9.md'), 'latin1'), 'x');
    expect((await found([folder])).names).toEqual(['a.csv']);
    writeFileSync(Buffer.from(join(folder, 'caf\xe9.csv'), 'latin1'), 'x');
    const refusal = /^INPUT_INVALID The name '.*caf\ufffd\.csv' is not UTF-8/;
    expect(await failure(folder)).toMatch(refusal);
    expect(await failure(join(folder, '*.csv'))).toMatch(refusal);
    expect(await failure(join(folder, '**', '*.csv'))).toMatch(refusal);
    expect(await failure(join(folder, 'caf\ufffd.csv'))).toContain(
      'Its name seems not to be UTF-8',
    );
    // The replacement character itself may be part of a name.
    write(folder, 'r\ufffd.tsv', 'x');
    expect((await found([join(folder, '*.tsv')])).names).toEqual(['r\ufffd.tsv']);
  });

  it('that a cluster on this machine keeps its data in is not told of', async () => {
    const folder = tempDir();
    write(folder, 'a.csv', 'x');
    mkdirSync(join(folder, '.stele'));
    expect((await found([folder])).notices).toEqual([]);
  });

  it('of folders alone says how to name what is in them', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'year=2024'));
    write(join(folder, 'year=2024'), 'a.csv', 'x');
    expect(await failure(folder)).toContain(
      `Folders in it are not read: name them, or use '**/*.csv'.`,
    );
    expect((await found([join(folder, '**', '*.csv')])).names).toEqual(['a.csv']);
  });
});

describe('paths', () => {
  it('keep their order, and a file that is reached twice is read once', async () => {
    const folder = tempDir();
    const [a, b] = [write(folder, 'a.csv', 'x'), write(folder, 'b.csv', 'x')];
    expect((await found([b, a, join(folder, '*.csv'), folder])).names).toEqual(['b.csv', 'a.csv']);
  });

  it('a glob passes markers over, and tells, unless it names them', async () => {
    const folder = tempDir();
    for (const name of ['_SUCCESS', 'part-0.csv', '_part.csv']) write(folder, name, 'x');
    const all = await found([join(folder, '*')]);
    expect(all.names).toEqual(['part-0.csv']);
    expect(all.notices).toEqual([
      expect.stringMatching(/^of '.*' not read: .*_SUCCESS, .*_part.csv$/),
    ]);
    expect((await found([join(folder, '_*.csv')])).names).toEqual(['_part.csv']);
  });

  it('leave the event loop its turns, however many they are', async () => {
    const folder = tempDir();
    const paths = Array.from({ length: 3000 }, (_, i) => write(folder, `${i}.csv`, 'x'));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await found([...paths, ...paths.map((path) => `${folder}/./${basename(path)}`)]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
  });

  it('a glob matches names as a shell does', async () => {
    const folder = tempDir();
    for (const name of ['a', 'b', 'd', '!', ']', '-', '^', 'ab', '.a', '#c', 'd (1)', 'd 1']) {
      write(folder, name, 'x');
    }
    mkdirSync(join(folder, 'sub'));
    write(join(folder, 'sub'), 'ü', 'x');
    const matches = async (pattern: string): Promise<string> =>
      (await found([join(folder, pattern)])).names.join(' ');
    const cases: [string, string][] = [
      ['[ab]', 'a b'],
      ['[a-c]', 'a b'],
      ['[!a-c]', '! - ] ^ d'],
      ['[^a-c]', '! - ] ^ d'],
      ['[!]a]', '! - ^ b d'],
      ['[]a]', '] a'],
      ['[a-]', '- a'],
      ['[-a]', '- a'],
      ['[[:alpha:]]', 'a b d'],
      ['?b', 'ab'],
      ['.?', '.a'],
      ['a*', 'a ab'],
      ['#?', '#c'],
      // Parentheses are characters like any other, as in names of downloaded files.
      ['d (?)', 'd (1)'],
      ['{a,b,none}', 'a b'],
      ['{sub/?,d}', 'd ü'],
      ['s*/[[:alpha:]]', 'ü'],
    ];
    for (const [pattern, names] of cases)
      expect([pattern, await matches(pattern)]).toEqual([pattern, names]);
    // An open bracket that is never closed, and an empty set, are characters like any other.
    for (const pattern of ['[!]', '[a', '[z-a]', '{none,nor this}']) {
      expect(await failure(join(folder, pattern))).toContain('INPUT_NOT_FOUND No file matches');
    }
    // A name is what it says, if there is such a file.
    expect(await matches('d (1)')).toBe('d (1)');
    write(folder, '{a,b}', 'x');
    expect(await matches('{a,b}')).toBe('{a,b}');
  });

  it('a glob tells of what matches and is no file, and of links that ** does not follow', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'sub'));
    write(join(folder, 'sub'), 'b.csv', 'x');
    write(folder, 'a.csv', 'x');
    symlinkSync(join(folder, 'sub'), join(folder, 'link'));
    expect((await found([join(folder, '*')])).notices).toEqual([
      `of '${folder}/*' not read: ${folder}/link, ${folder}/sub`,
    ]);
    const deep = await found([join(folder, '**', '*.csv')]);
    expect(deep.names).toEqual(['a.csv', 'b.csv']);
    expect(deep.notices).toEqual([`of '${folder}/**/*.csv' not read: ${folder}/link`]);
  });

  it('a glob never leaves out what it cannot read', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'a'));
    write(join(folder, 'a'), 'f.data', 'x');
    symlinkSync(join(folder, 'b'), join(folder, 'b'));
    expect(await failure(join(folder, '*', 'f.data'))).toMatch(
      /^IO '.*b' is a link that leads back to/,
    );
    rmSync(join(folder, 'b'));
    mkdirSync(join(folder, 'c'), { mode: 0 });
    const isRoot = process.getuid?.() === 0;
    const paths = [join(folder, '*', '*.data'), join(folder, '**', '*.data')];
    for (const path of paths) {
      if (isRoot) expect((await found([path])).names).toEqual(['f.data']);
      else expect(await failure(path)).toMatch(/^IO '.*c' cannot be read \(EACCES\)/);
    }
  });

  it('a pipe and a device are streams; what is neither file nor pipe is refused', async () => {
    const folder = tempDir();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect((await found([pipe, '/dev/null', '-'])).inputs).toMatchObject([
      { isStream: true },
      { isStream: true },
      { path: '-', isStream: true },
    ]);
    expect((await found([folder + '/pipe'], true)).names).toEqual(['pipe']);
  });

  it('say what is wrong with them', async () => {
    const folder = tempDir();
    const file = write(folder, 'a.csv', 'x');
    expect(await failure(join(folder, 'none'))).toContain(
      'INPUT_NOT_FOUND There is no file or folder',
    );
    expect(await failure(join(file, 'below'))).toContain(
      'INPUT_NOT_FOUND There is no file or folder',
    );
    expect(await failure(join(folder, '*.tsv'))).toContain('INPUT_NOT_FOUND No file matches');
    expect(await failure(`${folder}/\u0000`)).toContain('cannot be read');
  });
});

describe('compression', () => {
  it('goes by the content, and a name that says otherwise is told', async () => {
    const folder = tempDir();
    const gz = gzipSync('a 1\n');
    const zst = rawFrame(Buffer.from('a 1\n'));
    const cases: [string, Buffer | string, string, string | undefined][] = [
      ['a.data.gz', gz, 'gz', undefined],
      ['b.data', gz, 'gz', 'is gzip-compressed, despite its name; it is unpacked'],
      ['c.data.zst', gz, 'gz', 'is gzip-compressed, despite its name; it is unpacked'],
      ['d.data.zst', zst, 'zst', undefined],
      ['e.data.gz', 'a 1\n', 'none', 'is not compressed, despite its name'],
      ['f.data', 'a 1\n', 'none', undefined],
      ['g.data', '', 'none', undefined],
    ];
    for (const [name, content, compression, sentence] of cases) {
      const { inputs, notices } = await found([write(folder, name, content)]);
      expect([name, inputs[0]?.compression]).toEqual([name, compression]);
      expect(notices).toEqual(sentence === undefined ? [] : [expect.stringContaining(sentence)]);
    }
    expect(await failure(write(folder, 'h.csv.gz', ''))).toContain(
      'is empty, but a gz file never is',
    );
  });

  it('of other kinds, and other formats, is refused with what to do', async () => {
    const folder = tempDir();
    const tar = Buffer.alloc(1024);
    tar.write('ustar', 257);
    const cases: [string | Buffer, RegExp][] = [
      ['\u00fd7zXZ\0\0', /xz-compressed.*unxz/],
      ['BZh91AY&SY', /bzip2-compressed.*bunzip2/],
      ['PK\u0003\u0004', /zip archive/],
      ['\u00ff\u00fe\0\0a\0\0\0', /UTF-32.*iconv/],
      [tar, /tar archive/],
    ];
    for (const [content, pattern] of cases) {
      const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
      const text = await failure(write(folder, 'x.csv', bytes));
      expect(text).toMatch(/^UNSUPPORTED/);
      expect(text).toMatch(pattern);
    }
    // Text that only begins like one of them is text.
    for (const text of ['PAR1 value\n', 'BZh9 value\n', 'PAR1\tx\n', '\u00ff\u00feab v\n']) {
      expect((await found([write(folder, 't.data', Buffer.from(text, 'latin1'))])).names).toEqual([
        't.data',
      ]);
    }
  });
});
