// Settings schemas of the command line, without loading typebox.
//
// base/config.ts reads a schema's `properties` and nothing else, and typebox takes longer to load
// than `stele cli GET key` may take in all: so the objects are put together here by hand.

import type { TObject, TProperties } from 'typebox';

/** The schema with these options, in this order. */
export function settingsOf<Properties extends TProperties>(
  properties: Properties,
): TObject<Properties> {
  return { type: 'object', properties } as unknown as TObject<Properties>;
}

/** The schema with the options of both; where both have one, the second's counts. */
export function joinSettings<A extends TProperties, B extends TProperties>(
  first: TObject<A>,
  second: TObject<B>,
): TObject<A & B> {
  return settingsOf({ ...first.properties, ...second.properties });
}
