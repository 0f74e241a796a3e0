// Facts that the documentation repeats from the code: limits, flags, ports, metrics, defaults.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { optionsOf } from '../../base/config.ts';
import type { OptionInfo } from '../../base/config.ts';
import * as limits from '../../base/limits.ts';
import { loadAllVerbs } from '../../cli/verbs.ts';
import { PROJECT } from '../support/process/stele-process.ts';
import { readDoc, section, tableRows } from './markdown.ts';

const KIB = 1024;
const operations = readDoc('docs/operations.md');

test('the limits in docs/limits.md are those of base/limits.ts', () => {
  const text = readDoc('docs/limits.md').replaceAll('\n', ' ').replaceAll(/ +/g, ' ');
  const count = (value: number): string => value.toLocaleString('en-US');
  for (const fact of [
    `Key 1 byte to ${limits.KEY_BYTES_MAX / KIB} KiB`,
    `value 0 bytes to ${limits.VALUE_BYTES_MAX / KIB ** 2} MiB`,
    `${count(limits.KEYSPACE_COUNT_MAX)} keyspaces`,
    `1 to ${count(limits.SHARD_COUNT_MAX)} shards (${limits.SHARD_COUNT_DEFAULT} by default`,
    `1 to ${limits.REPLICATION_MAX} copies`,
    `below ${(limits.SEGMENT_BYTES_MAX + 1) / KIB ** 3} GiB`,
    `${Math.floor(limits.SEGMENT_RECORDS_MAX / 1e6)} million records`,
    `${count(limits.LOOKUP_KEYS_MAX)} keys in one lookup call`,
    `${count(limits.RESP_ARGUMENTS_MAX)} arguments`,
  ]) {
    expect(text).toContain(fact);
  }
});

describe('against the options of all verbs', () => {
  let options: (OptionInfo & { readonly verb: string })[];

  beforeAll(async () => {
    const verbs = await loadAllVerbs();
    options = verbs.flatMap((verb) =>
      optionsOf(verb.schema).map((info) => ({ ...info, verb: verb.name })),
    );
  });

  const units = readdirSync(join(PROJECT, 'deploy/systemd')).map(
    (name) => `deploy/systemd/${name}`,
  );

  test.each([
    ...['README.md', 'docs/operations.md', 'docs/errors.md', 'docs/runbook.md'],
    ...units,
  ])('every flag of stele in %s exists', (page) => {
    const ofEtcd = [
      'quota-backend-bytes',
      'auto-compaction-mode',
      'auto-compaction-retention',
      'prefix',
      'cluster',
    ];
    const ofOthers = new Set(['no-auth-warning', 'user', 'pass', 'pipe', 'since', ...ofEtcd]);
    const global = ['config', 'log-level', 'log-format', 'help'];
    const known = new Set([...options.map(({ flag }) => flag), ...global]);
    const named = [...readDoc(page).matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)].map(
      (match) => match[1] ?? '',
    );
    expect(named.filter((flag) => !known.has(flag) && !ofOthers.has(flag))).toEqual([]);
  });

  test('every key of the example stele.yaml in docs/operations.md is a setting', () => {
    const yaml = /```yaml\n([\s\S]*?)```/.exec(operations)?.[1] ?? '';
    const keys = [...yaml.matchAll(/^([a-z-]+):/gm)].map((match) => match[1]);
    const known = new Set(options.map(({ flag }) => flag));
    expect(keys.length).toBeGreaterThan(2);
    expect(keys.filter((key) => !known.has(key ?? ''))).toEqual([]);
  });

  test('the ports in docs/operations.md are the defaults', () => {
    const rows = tableRows(section(operations, 'Network'));
    for (const protocol of ['HTTP', 'RESP', 'gRPC']) {
      const portOf = (verb: string): unknown =>
        options.find((info) => info.verb === verb && info.flag === `${protocol.toLowerCase()}-port`)
          ?.defaultValue;
      const [, master, , datanode] = rows.find(([name]) => name === protocol) ?? [];
      expect([master, datanode]).toEqual([String(portOf('master')), String(portOf('datanode'))]);
    }
  });
});
