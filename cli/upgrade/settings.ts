// The settings of this machine, as the processes of this release would take them.

import { resolveSettings, unknownFileKeys } from '../../base/config.ts';
import { shorten } from '../../base/ids.ts';
import { fail } from '../doctor/finding.ts';
import type { Finding } from '../doctor/finding.ts';
import { sentenceOf } from '../exit.ts';
import { globalSettings } from '../global-options.ts';
import type { SettingsFile } from '../settings-sources.ts';
import { didYouMean } from '../suggestions.ts';
import type { Verb } from '../verb.ts';

/** The verbs that run processes of a cluster. */
const ROLES = ['up', 'master', 'datanode', 'query'];

/** Lines of stele.yaml and variables with which a process of this release would not start. */
export function checkSettings(
  { path = 'stele.yaml', values }: SettingsFile,
  environment: Readonly<Record<string, string | undefined>>,
  verbs: readonly Verb[],
): Finding[] {
  const schemas = [globalSettings('warn'), ...verbs.map(({ schema }) => schema)];
  const { known, unknown } = unknownFileKeys(values, schemas);
  const refused = verbs
    .filter(({ name }) => ROLES.includes(name))
    .flatMap((verb) => {
      try {
        resolveSettings(verb.schema, { flags: {}, environment, file: values });
        return [];
      } catch (thrown) {
        return [sentenceOf(thrown)];
      }
    });
  return [
    ...unknown.map((key) =>
      fail(
        'settings',
        `${path} has '${shorten(key)}', which this release does not know${didYouMean(key, known)}`,
        'Remove or rename the line before the first process is replaced: none would start with it.',
      ),
    ),
    ...[...new Set(refused)].map((sentence) =>
      fail('settings', sentence, 'Correct it: a process of this release would not start with it.'),
    ),
  ];
}
