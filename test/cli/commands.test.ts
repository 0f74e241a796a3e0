// Command lines, run in this process: exit codes, sentences, and what goes to which stream.

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VERBS, loadAllVerbs } from '../../cli/verbs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startRespServer } from './resp-server.ts';
import { stele } from './run-stele.ts';

/** Not a port of a usual service, and nothing listens there. */
const NOBODY = '127.0.0.1:1';

describe('wrong usage', () => {
  it.each<[string[], RegExp]>([
    [['statsu'], /unknown command 'statsu' \(Did you mean status\?\); `stele --help`/],
    [['tpo'], /^stele: unknown command 'tpo' \(Did you mean top\?\); `stele --help`/],
    [['etcd'], /^stele: unknown command 'etcd'; `stele --help`/],
    [['nosuch', '--help'], /unknown command 'nosuch'; `stele --help`/],
    [['--log-level', 'warn', 'stauts', '-h'], /unknown command 'stauts' \(Did you mean status\?\)/],
    [['up', '--shards', '100'], /100 is not a number of shards: use a power of two from 1 to/],
    [['keyspaces', '--mastr', 'x'], /unknown option '--mastr' \(Did you mean --master\?\)/],
    [['versions'], /missing required argument 'keyspace'; `stele versions --help`/],
    [['versions', 'a', 'b'], /too many arguments/],
    [['versions', 'a/b'], /'a\/b' is not a keyspace name/],
    [['status', '--wait', 'blue'], /--wait: 'blue' is not known; use one of none, green, yellow/],
    [['up', '--datanodes', '0'], /--datanodes: 0 is out of range; use 1 to 64/],
    [['up', '--load', 'x'], /--load takes KEYSPACE=PATH/],
    [
      ['node', 'drian', 'x'],
      /'drian' is not an action on a node \(Did you mean drain\?\); use drain, resume, remove, restart or restart-all/,
    ],
    [['rollback', 'ks', '--to', '0'], /'0' is not a version/],
    [['drop', 'ks'], /add --yes to do it without being asked/],
    [['load'], /Name a keyspace and at least one file/],
    [['load', 'ks'], /Name a keyspace and at least one file/],
    [['load', 'ks', 'x', '--sample', '0x5'], /--sample: '0x5' is not a whole number/],
    [['verify'], /Name segment files, or a folder with --data-dir/],
    [['config', 'nope'], /There is no verb 'nope'/],
    [['--log-level', 'loud', 'keyspaces'], /--log-level: 'loud' is not known/],
    [['nodes', '--master', 'http://127.0.0.1:8400'], /--master: 'http.*' is not HOST:PORT; write/],
    [['nodes', '--master', ':8400'], /--master: ':8400' is not HOST:PORT/],
    [['load', 'ks', 'x', '--master', '127.0.0.1:99999'], /--master: '.*' is not HOST:PORT/],
    [['load', 'ks', 'x', '--dry-run', '--master', '127.0.0.1'], /--master: '.*' is not HOST:PORT/],
    [['datanode', '--id', 'a', '--master', ' 127.0.0.1:1'], /--master: '.*' is not HOST:PORT/],
    [['nodes', '--master', 'a:1,b'], /--master: 'b' is not HOST:PORT/],
    [['load', 'ks', 'x', '--master', 'a:1,,b:1'], /--master: 'a:1,,b:1' has an empty element; sep/],
    [['datanode', '--id', 'a', '--master', 'a:1,a:1'], /--master: 'a:1,a:1' names a:1 twice/],
  ])('%j ends with 2 and one sentence that helps', async (args, sentence) => {
    const { code, stdout, stderr } = await stele(args);
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^stele: [^\n]+\n$/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

it('makes no folder for a cluster that cannot be', async () => {
  const folder = join(tempDir(), 'data');
  expect((await stele(['up', '--shards', '100', '--data-dir', folder])).code).toBe(2);
  expect(existsSync(folder)).toBe(false);
});

it('takes --master everywhere as a list of addresses', async () => {
  const verbs = await loadAllVerbs();
  const kinds = verbs.flatMap(({ schema }) => schema.options['master']?.kind ?? []);
  expect(kinds.length).toBeGreaterThan(15);
  expect(new Set(kinds)).toEqual(new Set(['addresses']));
});

describe('failure', () => {
  it.each<[string[], RegExp, number?]>([
    [['keyspaces', '--master', NOBODY], /No master answers at 127.0.0.1:1; start one with/, 4],
    [
      ['keyspaces', '--master', `${NOBODY},localhost:1`],
      /No master answers: 127.0.0.1:1 and localhost:1 \(/,
      4,
    ],
    [['cli', '-p', '1', 'PING'], /Nothing answers at 127.0.0.1:1 \(connection refused\); start/, 4],
    [['help', 'nosuch'], /There is no verb 'nosuch'; `stele --help` lists/, 2],
    [['verify', '/no/such.seg'], /There is no file \/no\/such.seg/],
    [['verify', '--data-dir', '/no/such'], /There is no folder \/no\/such/],
    [['verify', '--data-dir', '/usr'], /\/usr is not a data folder of a datanode or of `stele up`/],
    [['--config', '/no/such.yaml', 'nodes'], /\/no\/such.yaml does not exist; check --config/],
    [['load', 'ks', '/no/such.csv', '--dry-run'], /There is no file or folder '\/no\/such.csv'/],
    [['load', '--clear-work', 'nope'], /There is no work folder 'nope' in/],
    [['up', '--load', 'a=/no/such.csv'], /There is no file \/no\/such.csv to load into a/],
  ])('%j ends with its exit code and one sentence that helps', async (args, sentence, exit = 1) => {
    const { code, stdout, stderr } = await stele(args);
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^stele: [^\n]+\n$/);
    expect(stdout).toBe('');
    expect(code).toBe(exit);
  });

  it('reports a file that is not a segment as such, not as damaged', async () => {
    const done = await stele(['verify', 'package.json']);
    expect(done.code).toBe(1);
    expect(done.stdout).toMatch(/^FAILED   package.json: It is not a segment/);
  });

  it.each<[string[], string, number]>([
    [['keyspaces', '--master', NOBODY, '-o', 'json'], 'UNAVAILABLE', 4],
    [['load', 'ks', '/no/such.csv', '--dry-run', '--output=json'], 'INPUT_NOT_FOUND', 1],
    [['verify', '/no/such.seg', '-ojson'], 'INPUT_NOT_FOUND', 1],
    [['keep', 'ks', 'many', '-o', 'json'], 'INVALID_ARGUMENT', 2],
    [['nodes', '-o', 'json', '--nonsense'], 'INVALID_ARGUMENT', 2],
    [['drop', 'ks', '-o', 'json'], 'INVALID_ARGUMENT', 2],
  ])('%j has its error as one JSON object on stderr', async (args, code, exit) => {
    const done = await stele(args);
    expect(done).toMatchObject({ code: exit, stdout: '' });
    expect(JSON.parse(done.stderr)).toEqual({
      error: { code, message: expect.stringMatching(/[.]$/) as string },
    });
  });

  it('has one JSON object on each line of stderr, including notices', async () => {
    const folder = tempDir();
    writeFileSync(join(folder, 'a.data'), 'a 1\n');
    writeFileSync(join(folder, 'notes.pdf'), 'x');
    const own = ['--work-dir', join(tempDir(), 'work'), '--master', NOBODY];
    const words = ['load', 'ks', folder, '--dry-run', '-o', 'json', ...own];
    const { code, stderr } = await stele(words);
    expect(code).toBe(0);
    const reported = stderr.trimEnd().split('\n');
    expect(reported.map((line) => JSON.parse(line) as unknown)).toContainEqual({
      notice: { message: expect.stringMatching(/^[^\n]*notes[.]pdf[^\n]*[.]$/) as string },
    });
  });

  it('shows where it comes from only under STELE_DEBUG', async () => {
    const { stderr } = await stele(['verify', '/no/such.seg'], { STELE_DEBUG: '1' });
    expect(stderr).toMatch(/^stele: There is no file/);
    expect(stderr).toMatch(/\n +at /);
    const words = ['verify', '/no/such.seg', '-o', 'json'];
    const json = await stele(words, { STELE_DEBUG: '1' });
    expect(JSON.parse(json.stderr)).toMatchObject({
      error: { stack: expect.stringMatching(/\n +at /) as string },
    });
  });
});

describe('help', () => {
  it.each([...VERBS.keys()])('of %s names its options and has an example', async (verb) => {
    const { code, stdout } = await stele([verb, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: stele ${verb} `));
    expect(stdout).toMatch(new RegExp(`Examples:\n[^]*stele ${verb}`));
    expect(await stele(['help', verb])).toMatchObject({ code: 0, stdout });
  });

  it('prints the version of the package', async () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    expect(await stele(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('lists every verb', async () => {
    const { stdout } = await stele(['--help']);
    for (const verb of [...VERBS.keys()]) expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
  });
});

describe('stele config', () => {
  it('shows value and source of each setting: flag over environment over file over default', async () => {
    const path = join(tempDir(), 'settings.yaml');
    writeFileSync(path, 'http-port: 1111\nresp-port: 2222\n');
    const { stdout } = await stele(['config', 'up', '-o', 'json', '--config', path], {
      STELE_HTTP_PORT: '3333',
    });
    const rows = JSON.parse(stdout) as { setting: string; value: unknown; source: string }[];
    const find = (setting: string) => rows.find((row) => row.setting === setting);
    expect(find('http-port')).toMatchObject({ value: 3333, source: 'environment' });
    expect(find('resp-port')).toMatchObject({ value: 2222, source: 'file', from: path });
    expect(find('grpc-port')).toMatchObject({ value: 8400, source: 'default' });
  });

  it('refuses a file with a key that no verb knows', async () => {
    const path = join(tempDir(), 'settings.yaml');
    writeFileSync(path, 'htpp-port: 1\n');
    const { code, stderr } = await stele(['config', '--config', path]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/unknown key 'htpp-port'/);
  });
});

describe('stele load without a master', () => {
  const inFolder = (name: string, content: string): string => {
    const path = join(tempDir(), name);
    writeFileSync(path, content);
    return path;
  };

  it('--sample shows records, safe for a terminal, and in JSON all of their bytes', async () => {
    const file = inFolder('a.csv', 'id,v\nk1,"two\nlines\u001b[31m"\nk2,\u00e9\n');
    const work = ['--work-dir', join(tempDir(), 'work')];
    const header = ['--header', 'yes'];
    const shown = await stele(['load', 'ks', file, '--sample', '5', ...work, ...header]);
    expect(shown.stdout.split('\n')).toEqual([
      "csv, delimiter ',', with a header: key id, value v",
      'columns id, v',
      '',
      'KEY  VALUE               BYTES',
      String.raw`k1   two\nlines\x1b[31m     14`,
      'k2   \u00e9                       2',
      '',
    ]);
    const json = ['-o', 'json', ...work, ...header];
    const inJson = await stele(['load', 'ks', file, '--sample', '1', ...json]);
    const [record] = (JSON.parse(inJson.stdout) as { records: unknown[] }).records;
    expect(record).toEqual({ key: 'k1', value: 'two\nlines\u001b[31m', value_bytes: 14 });
  });

  it('--dry-run ends as the load would: 0, 1, or 3 for a gate, and says why', async () => {
    const work = ['--work-dir', join(tempDir(), 'work')];
    const good = await stele([
      'load',
      'ks',
      inFolder('a.data', 'a 1\nb 2\n'),
      '--dry-run',
      ...work,
    ]);
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toContain(
      'rows      2 read, 2 keys, 0 duplicates, 0 conflicts, 0 rejected',
    );
    expect(good.stdout).toContain('It would be loaded; nothing was changed.');
    const nobody = ['--master', '127.0.0.1:1'];
    const small = ['load', 'ks', inFolder('c.data', 'a 1\n'), '--dry-run', '--expect-rows', '9'];
    const refused = await stele([...small, ...nobody, ...work]);
    expect(refused).toMatchObject({ code: 3, stderr: '' });
    expect(refused.stdout).toContain(
      'The version would not go live: it has 1 row, and --expect-rows wants 9.\n' +
        '--max-shrink 50% could not be checked: no master answers at 127.0.0.1:1.\n' +
        'It would be loaded and kept as rejected; nothing was changed.\n',
    );
    const reported = await stele([...small, '-o', 'json', ...nobody, ...work]);
    expect(JSON.parse(reported.stdout)).toMatchObject({ would_load: false, gate_failed: true });
    const file = inFolder('b.data', 'a 1\nbad\n');
    const bad = await stele(['load', 'ks', file, '--dry-run', ...work]);
    expect(bad).toMatchObject({ code: 1, stderr: '' });
    expect(bad.stdout).toContain('1 row is bad, 0 allowed (--max-rejects)');
    const json = await stele([
      'load',
      'ks',
      file,
      '--dry-run',
      '-o',
      'json',
      '--sample',
      '1',
      ...work,
    ]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      dry_run: true,
      would_load: false,
      ...{ rows: 2, loaded: 1, rejected: 1 },
      records: [{ key: 'a', value: '1', value_bytes: 1 }],
    });
  });

  it('--list-work and --clear-work show and remove what loads have left', async () => {
    const workDir = tempDir();
    const work = ['--work-dir', workDir];
    expect((await stele(['load', '--list-work', ...work])).stdout).toBe(
      'No load has left anything.\n',
    );
    mkdirSync(join(workDir, '0123456789abcdef'));
    const { stdout } = await stele(['load', '--list-work', ...work]);
    expect(stdout).toMatch(
      /^ID +KEYSPACE +INPUT +IDLE +SIZE +STAGE +STATE\n0123456789abcdef .* nothing is/,
    );
    const json = await stele(['load', '--list-work', '-o', 'json', ...work]);
    expect(JSON.parse(json.stdout)).toMatchObject([
      { id: '0123456789abcdef', is_resumable: false },
    ]);
    expect((await stele(['load', '--clear-work', 'all', ...work])).stdout).toBe(
      '1 work folder deleted, 0 B.\n',
    );
    expect(readdirSync(workDir)).toEqual([]);
  });
});

describe('stele cli COMMAND', () => {
  it('prints the bytes of a value and a newline without a terminal', async () => {
    const { port } = await startRespServer([['k', 'a "quoted" value']]);
    const done = await stele(['cli', '-p', String(port), 'GET', 'k']);
    expect(done).toMatchObject({ code: 0, stdout: 'a "quoted" value\n', stderr: '' });
  });

  it('passes flags after the command to the command', async () => {
    const { port } = await startRespServer([]);
    const done = await stele(['cli', '-p', String(port), 'ECHO', '--help']);
    expect(done).toMatchObject({ code: 0, stdout: '--help\n' });
  });

  it('ends with 1 when the reply is an error', async () => {
    const { port } = await startRespServer([]);
    const done = await stele(['cli', '-p', String(port), 'FROB']);
    expect(done.code).toBe(1);
    expect(done.stdout).toMatch(/^ERR unknown command/);
  });

  it('lists the keyspaces if the wanted one does not exist', async () => {
    const { port } = await startRespServer([], ['geo']);
    const sentence = (name: string) =>
      `stele: There is no keyspace '${name}'; there is geo (choose with \`use\` or -k).\n`;
    const asked = await stele(['cli', '-p', String(port), '-k', 'nope', 'GET', 'x']);
    expect(asked).toMatchObject({ code: 1, stdout: '', stderr: sentence('nope') });
    const unasked = await stele(['cli', '-p', String(port), 'GET', 'x']);
    expect(unasked).toMatchObject({ code: 1, stderr: sentence('default') });
  });

  it('prints each reply as one line of JSON with -o json', async () => {
    const { port } = await startRespServer([['k', 'v"1']]);
    const json = ['cli', '-p', String(port), '-o', 'json'];
    expect(await stele([...json, 'MGET', 'k', 'no'])).toMatchObject({
      code: 0,
      stdout: '["v\\"1",null]\n',
    });
    const failed = await stele([...json, 'FROB']);
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(failed.stderr)).toMatchObject({ error: { code: 'ERR' } });
  });
});
