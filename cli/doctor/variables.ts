// Variables of the environment that look like settings of Stele and are none.

import { optionsOf } from '../../base/config.ts';
import { shorten } from '../../base/ids.ts';
import { globalSettings } from '../global-options.ts';
import { didYouMean } from '../suggestions.ts';
import type { Verb } from '../verb.ts';
import { ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

/** Read by Stele, without being an option. */
const OTHERS = ['STELE_DEBUG'];

export function checkVariables(
  environment: Readonly<Record<string, string | undefined>>,
  verbs: readonly Verb[],
  settingsFile: string | undefined,
): Finding[] {
  const schemas = [globalSettings('warn'), ...verbs.map(({ schema }) => schema)];
  const known = new Set([
    ...OTHERS,
    ...schemas.flatMap((schema) => optionsOf(schema).map((info) => info.environment)),
  ]);
  const names = Object.keys(environment).filter((name) => name.startsWith('STELE_'));
  const unknown = names.filter((name) => !known.has(name));
  const file = settingsFile === undefined ? 'no stele.yaml' : settingsFile;
  return [
    ok('settings', `${file}, ${names.length - unknown.length} variables`),
    ...unknown.map((name) =>
      warn(
        'settings',
        `${shorten(name)} is no setting of Stele${didYouMean(name, known)}`,
        'Correct or remove it: it has no effect.',
      ),
    ),
  ];
}
