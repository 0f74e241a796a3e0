// `stele diff KS A B`: how many keys were added, removed and changed from one version to another,
// with samples. The datanodes compare; only counts and samples are transferred.

import { DIFF_SAMPLES_MAX } from '../../../base/limits.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { keyspaceName, version } from '../../../base/ids.ts';
import type { DiffVersionsResponse } from '../../../proto/gen/stele/v1/cluster.ts';
import type { DiffSample, DiffValue } from '../../../proto/gen/stele/v1/diff.ts';
import { diffJson } from '../../../proto/content-json.ts';
import { diffKindWord } from '../../../proto/view-words.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { formatCount, formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { printable } from '../../words.ts';

/** Enough of a value to recognise it. */
const VALUE_CHARACTERS_MAX = 40;

export const definition = defineVerb({
  name: 'diff',
  operands: '<keyspace> <from> <to>',
  schema: settingsOf({
    samples: option.count('samples of each kind of change', 10, {
      min: 0,
      max: DIFF_SAMPLES_MAX,
    }),
    encoding: option.choice('how JSON and YAML write keys and values', ['utf8', 'base64'], 'utf8'),
    ...resultOptions,
    timeout: option.duration('how long to wait for the answer', '10m', {
      min: 1,
      max: 3_600_000,
    }),
  }),
  examples: ['stele diff prices 3 4', 'stele diff prices 3 4 --samples 100 -o json'],
  async run({ operands, settings: { values }, output }) {
    const [name = '', from = '', to = ''] = operands;
    const keyspace = keyspaceName(name);
    const request = { keyspace, from: version(from), to: version(to), samplesMax: values.samples };
    const response = await withAdmin(values, (admin) => admin.diffVersions(request));
    const json = diffJson(keyspace, response, values.encoding);
    await printResult(output, values.output, json, () => format(response));
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'CHANGE' },
  { title: 'KEY' },
  { title: 'FROM' },
  { title: 'TO' },
] as const;

function format(response: DiffVersionsResponse): string {
  const { counts, from, samples, shardsCompared, shardsTotal, to } = response;
  const lines = [
    `from version ${from} to version ${to}`,
    `added    ${formatCount(counts?.added ?? 0)}`,
    `removed  ${formatCount(counts?.removed ?? 0)}`,
    `changed  ${formatCount(counts?.changed ?? 0)}`,
    `shards   ${shardsCompared} of ${shardsTotal} had other segments`,
  ];
  return samples.length === 0
    ? lines.join('\n')
    : [...lines, '', formatTable(COLUMNS, samples.map(toCells))].join('\n');
}

function toCells(sample: DiffSample): string[] {
  return [
    diffKindWord(sample.kind),
    printable(sample.key, VALUE_CHARACTERS_MAX),
    valueText(sample.from),
    valueText(sample.to),
  ];
}

function valueText(value: DiffValue | undefined): string {
  if (value === undefined) return '-';
  const text = printable(value.bytes, VALUE_CHARACTERS_MAX);
  return value.byteLength > value.bytes.length || text.endsWith('...')
    ? `${text} (${formatCount(value.byteLength)} bytes)`
    : text;
}
