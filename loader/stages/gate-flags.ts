// Parses the gate flags of `stele load`, which are sent to the master with the commit.
//
//   --expect-rows 1000000 | 1000000±2% | 1000000+-2%
//   --min-rows 1000
//   --max-shrink 20%
//   --require-key KEY | KEY=VALUE        a `=` or `\` that belongs to the key is written `\=`, `\\`
//
// The master checks the gate, not the loader, so a loader that dies, or an old one, cannot bypass
// it.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { KEEP_MAX, KEEP_MIN } from '../../base/limits.ts';
import { parsePercent } from '../../base/units.ts';
import type { LoadGate, RequiredKey } from '../../proto/gen/stele/v1/load.ts';
import type { LoadSettings } from '../settings.ts';

type GateSettings = Pick<LoadSettings, 'expectRows' | 'maxShrink' | 'minRows' | 'requireKey'>;

/** The gate that the flags describe. Throws INVALID_ARGUMENT, naming the flag. */
export function gateOf(settings: GateSettings): LoadGate {
  const { expectRows, maxShrink, minRows, requireKey } = settings;
  return {
    ...(expectRows === undefined
      ? { expectRows: undefined, expectTolerance: 0 }
      : parseExpectedRows(expectRows)),
    minRows: minRows === 0 ? undefined : minRows,
    maxShrink: maxShrink === undefined ? undefined : parseShrink(maxShrink),
    requireKeys: requireKey.map(parseRequiredKey),
  };
}

/** To be called before anything is done. Throws INVALID_ARGUMENT, naming the flag. */
export function checkGateFlags(settings: GateSettings & Pick<LoadSettings, 'keep'>): void {
  gateOf(settings);
  checkKeep(settings.keep);
}

/** 0 leaves the keyspace's number of versions as it is. */
function checkKeep(keep: number): void {
  if (keep === 0 || keep >= KEEP_MIN) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--keep: ${keep} is out of range; use ${KEEP_MIN} to ${KEEP_MAX}: the current version and the one before it always stay.`,
  );
}

function parseExpectedRows(text: string): Pick<LoadGate, 'expectRows' | 'expectTolerance'> {
  const match = /^([0-9]{1,15})(?:(?:±|\+-)(.+))?$/u.exec(text.trim());
  if (match === null) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--expect-rows: '${shorten(text)}' is not a number of rows: write it like 1000000, 1000000±2% or 1000000+-2%.`,
    );
  }
  const tolerance = match[2] === undefined ? 0 : percentOf('--expect-rows', match[2]);
  return { expectRows: Number(match[1]), expectTolerance: tolerance };
}

function parseShrink(text: string): number {
  return percentOf('--max-shrink', text);
}

function percentOf(flag: string, text: string): number {
  try {
    const fraction = parsePercent(text);
    if (fraction <= 1) return fraction;
    throw new SteleError('INVALID_ARGUMENT', `${shorten(text)} is more than 100%.`);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SteleError('INVALID_ARGUMENT', `${flag}: ${reason}`, { cause: thrown });
  }
}

function parseRequiredKey(text: string): RequiredKey {
  // Up to the first `=` without a backslash before it.
  const match = /^((?:[^\\=]|\\[^]?)*)(?:=([^]*))?$/u.exec(text);
  const key = match?.[1]?.replaceAll(/\\([\\=])/gu, '$1') ?? '';
  if (key === '') {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--require-key: '${shorten(text)}' names no key: write KEY or KEY=VALUE, and '\\=' for a '=' in the key.`,
    );
  }
  return {
    key: Buffer.from(key),
    value: match?.[2] === undefined ? undefined : Buffer.from(match[2]),
  };
}
