// `stele config`: lists every setting in force, and where it comes from. Secrets are masked.

import { optionsOf, resolveSettings, settingsOf } from '../../../base/config.ts';
import type { OptionInfo } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { bytesText, durationText } from '../../../base/units.ts';
import { listingFormOptions } from '../../client-settings.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { readSettingsFile } from '../../settings-sources.ts';
import { defineVerb } from '../../verb.ts';
import type { Verb } from '../../verb.ts';

const MASK = '********';

export const definition = defineVerb({
  name: 'config',
  operands: '[verb]',
  schema: settingsOf(listingFormOptions),
  examples: ['stele config', 'stele config master', 'STELE_HTTP_PORT=8080 stele config up'],
  async run({ operands, settings: { values }, global, output }) {
    const verbs = chosenVerbs(await global.loadAllVerbs(), operands[0]);
    return showListing(SETTINGS, output, values, async () => {
      const file = await readSettingsFile(global.configPath);
      const inputs = { flags: {}, environment: global.environment, file: file.values };
      return { rows: verbs.flatMap((verb) => settingsInForce(verb, inputs, file.path)) };
    });
  },
});

/** The verbs that run, load or connect. */
const VERBS_SHOWN = ['up', 'master', 'datanode', 'load', 'cli', 'status'];

function chosenVerbs(all: readonly Verb[], name: string | undefined): Verb[] {
  if (name === undefined) return all.filter((verb) => VERBS_SHOWN.includes(verb.name));
  const chosen = all.filter((verb) => verb.name === name);
  if (chosen.length > 0) return chosen;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `There is no verb '${shorten(name)}'; use one of ${all.map((verb) => verb.name).join(', ')}.`,
  );
}

type Inputs = Parameters<typeof resolveSettings>[1];

function settingsInForce(verb: Verb, inputs: Inputs, filePath: string | undefined) {
  const resolved = resolveSettings(verb.schema, inputs);
  const values: Readonly<Record<string, unknown>> = resolved.values;
  return optionsOf(verb.schema).map((info) => {
    const source = resolved.sources.get(info.property) ?? 'default';
    return {
      verb: verb.name,
      setting: info.flag,
      value: masked(info, values[info.property]),
      text: unitText(info, values[info.property]),
      source,
      from: originOf(info, source, filePath),
      variable: info.environment,
    };
  });
}

type Row = ReturnType<typeof settingsInForce>[number];

/** A size or a duration in the form for stele.yaml; undefined for everything else. */
function unitText({ kind }: OptionInfo, value: unknown): string | undefined {
  if (typeof value !== 'number') return undefined;
  if (kind === 'duration') return durationText(value);
  return kind === 'bytes' ? bytesText(value) : undefined;
}

function originOf(info: OptionInfo, source: string, filePath: string | undefined): string {
  if (source === 'environment') return info.environment;
  return source === 'file' ? (filePath ?? '') : '';
}

function masked(info: OptionInfo, value: unknown): unknown {
  if (value === undefined) return null;
  return info.secret === true && value !== '' ? MASK : value;
}

const SETTINGS: Listing<{ readonly rows: readonly Row[] }, Row> = {
  columns: [
    { title: 'VERB', cell: ({ verb }) => verb },
    { title: 'SETTING', cell: ({ setting }) => setting },
    { title: 'VALUE', cell: ({ text, value }) => (text ?? textOf(value)) || '-' },
    { title: 'SOURCE', cell: ({ from, source }) => (from === '' ? source : `${source} (${from})`) },
    { title: 'VARIABLE', wide: true, cell: ({ variable }) => variable },
  ],
  rows: ({ rows }) => rows,
  name: ({ setting }) => setting,
  json: ({ rows }) =>
    rows.map(({ verb, setting, value, source, from }) => ({ verb, setting, value, source, from })),
  empty: 'There are no settings.',
};

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'string' ? value : JSON.stringify(value ?? '').replace(/^""$/, '');
}
