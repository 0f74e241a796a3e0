import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { option, optionsOf, settingsOf } from '../../base/config.ts';
import { addOptions, givenFlags } from '../../cli/options.ts';

const infos = optionsOf(
  settingsOf({
    dataDir: option.text('a folder', '.stele', { placeholder: 'folder' }),
    load: option.list('what to load'),
    verbose: option.flag('say more'),
    cache: option.flag('use the cache', true),
    noRestart: option.flag('leave it'),
    output: option.choice('form', ['table', 'json'], 'table'),
    chunkSize: option.bytes('size', '16MiB', { min: 1, max: 1e9 }),
  }),
);

function given(...words: string[]): Record<string, unknown> {
  const command = new Command('x').exitOverride().configureOutput({ writeErr: () => undefined });
  addOptions(command, infos, { output: 'o' });
  command.parse(words, { from: 'user' });
  return givenFlags(command, infos);
}

describe('givenFlags', () => {
  it('returns only what was given, as it was written', () => {
    expect(given()).toEqual({});
    expect(given('--data-dir', 'x', '--chunk-size=1KiB')).toEqual({
      dataDir: 'x',
      chunkSize: '1KiB',
    });
  });

  it('collects a list over several flags', () => {
    expect(given('--load', 'a=1', '--load', 'b=2')).toEqual({ load: ['a=1', 'b=2'] });
  });

  it('accepts flags both ways, so that a flag can undo the environment', () => {
    expect(given('--verbose', '--no-cache')).toEqual({ verbose: true, cache: false });
    expect(given('--no-verbose', '--cache')).toEqual({ verbose: false, cache: true });
  });

  it('sets an option that is called no-something when it is given', () => {
    expect(given('--no-restart')).toEqual({ noRestart: true });
  });

  it('accepts short forms', () => {
    expect(given('-o', 'json')).toEqual({ output: 'json' });
  });

  it('refuses unknown flags', () => {
    expect(() => given('--data-dri', 'x')).toThrow(/--data-dri/);
  });
});

describe('addOptions', () => {
  it('lists each option once, with its default as people write it', () => {
    const command = new Command('x');
    addOptions(command, infos);
    const help = command.helpInformation();
    expect(help).toMatch(/--data-dir <folder> +a folder \(default: .stele\)/);
    expect(help).toMatch(/--chunk-size <size> +size \(default: 16MiB\)/);
    expect(help).toMatch(/--no-cache/);
    expect(help).toMatch(/ --verbose/);
    expect(help).not.toMatch(/--no-verbose| --cache/);
  });
});
