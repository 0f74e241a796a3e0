import { describe, expect, it } from 'vitest';
import {
  checkFileKeys,
  option,
  optionsOf,
  resolveSettings,
  settingsOf,
} from '../../base/config.ts';
import type { SettingInputs } from '../../base/config.ts';

const schema = settingsOf({
  dataDir: option.text('a folder', '.stele'),
  zone: option.optionalText('a zone'),
  httpPort: option.port('a port', 9000),
  workers: option.count('threads', 2, { min: 1, max: 8 }),
  chunkSize: option.bytes('bytes', '16MiB', { min: 1024, max: 1024 ** 3 }),
  repairDelay: option.duration('a wait', '10s', { min: 0, max: 60_000 }),
  mode: option.choice('what to do', ['replace', 'append'], 'replace'),
  load: option.list('what to load'),
  verbose: option.flag('say more'),
  password: option.text('a secret', '', { secret: true, flag: 'auth-password' }),
});

function resolve(inputs: Partial<SettingInputs>) {
  return resolveSettings(schema, { flags: {}, environment: {}, file: {}, ...inputs });
}

describe('optionsOf', () => {
  it('gives flag and environment names, in the order of the schema', () => {
    const infos = optionsOf(schema);
    expect(infos.map((info) => info.flag).slice(0, 3)).toEqual(['data-dir', 'zone', 'http-port']);
    expect(infos[0]?.environment).toBe('STELE_DATA_DIR');
  });

  it('lets an option have a name of its own', () => {
    const info = optionsOf(schema).find((one) => one.property === 'password');
    expect(info).toMatchObject({
      flag: 'auth-password',
      environment: 'STELE_AUTH_PASSWORD',
      secret: true,
    });
  });
});

describe('resolveSettings', () => {
  it('returns the defaults, frozen, when nothing is given', () => {
    const { values, sources } = resolve({});
    expect(values).toEqual({
      dataDir: '.stele',
      httpPort: 9000,
      workers: 2,
      chunkSize: 16 * 1024 ** 2,
      repairDelay: 10_000,
      mode: 'replace',
      load: [],
      verbose: false,
      password: '',
    });
    expect(Object.isFrozen(values)).toBe(true);
    expect(new Set(sources.values())).toEqual(new Set(['default']));
  });

  it('prefers flags to the environment, the environment to the file, the file to defaults', () => {
    const file = { workers: 3, 'http-port': 1, zone: 'f', 'data-dir': 'f' };
    const environment = { STELE_WORKERS: '4', STELE_HTTP_PORT: '2', STELE_ZONE: 'e' };
    const { values, sources } = resolve({ file, environment, flags: { workers: '5' } });
    expect(values).toMatchObject({ workers: 5, httpPort: 2, zone: 'e', dataDir: 'f' });
    expect(sources.get('workers')).toBe('flag');
    expect(sources.get('httpPort')).toBe('environment');
    expect(sources.get('dataDir')).toBe('file');
    expect(sources.get('mode')).toBe('default');
  });

  it('treats an empty variable and an empty line of the file as not given', () => {
    const { values } = resolve({ environment: { STELE_WORKERS: '' }, file: { workers: null } });
    expect(values.workers).toBe(2);
  });

  it('reads sizes, durations, flags and lists as people write them', () => {
    const environment = {
      STELE_CHUNK_SIZE: '64KiB',
      STELE_REPAIR_DELAY: '2s',
      STELE_VERBOSE: 'yes',
      STELE_LOAD: 'a=1,b=2',
    };
    expect(resolve({ environment }).values).toMatchObject({
      chunkSize: 65_536,
      repairDelay: 2000,
      verbose: true,
      load: ['a=1', 'b=2'],
    });
  });

  it.each([
    [{ flags: { workers: 'x' } }, /^--workers: 'x' is not a whole number[.]$/],
    [{ flags: { workers: '9' } }, /^--workers: 9 is out of range; use 1 to 8[.]$/],
    [{ environment: { STELE_HTTP_PORT: '70000' } }, /^STELE_HTTP_PORT: 70000 is out of range/],
    [{ file: { mode: 'merge' } }, /^mode: 'merge' is not known; use one of replace, append[.]$/],
    [{ flags: { verbose: 'maybe' } }, /^--verbose: 'maybe' is neither true nor false/],
    [
      { flags: { chunkSize: '1' } },
      /^--chunk-size: 1 B is out of range; use 1.0 KiB to 1.0 GiB[.]$/,
    ],
  ])('names the option, its source and what is right: %j', (inputs, message) => {
    expect(() => resolve(inputs)).toThrow(message);
  });
});

describe('checkFileKeys', () => {
  it('knows the keys of every schema it is given', () => {
    const other = settingsOf({ colour: option.text('x', '') });
    expect(() => checkFileKeys({ workers: 1, colour: 'red' }, [schema, other])).not.toThrow();
  });

  it('refuses a key that no verb knows', () => {
    expect(() => checkFileKeys({ wokers: 1 }, [schema])).toThrow(/unknown key 'wokers'/);
  });
});
