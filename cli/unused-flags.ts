// Flags that would be ignored silently.

import { optionsOf } from '../base/config.ts';
import type { SettingSource, SettingsSchema } from '../base/config.ts';
import { SteleError } from '../base/errors.ts';

/**
 * Throws INVALID_ARGUMENT for a flag of `schema` that was given on the command line, as it has
 * an effect only together with `needs`.
 */
export function refuseUnused(
  sources: ReadonlyMap<string, SettingSource>,
  schema: SettingsSchema,
  needs: string,
): void {
  const given = optionsOf(schema).find(({ property }) => sources.get(property) === 'flag');
  if (given === undefined) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--${given.flag} has an effect only with ${needs}; add that, or leave --${given.flag} out.`,
  );
}
