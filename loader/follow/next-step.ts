// What a cluster that follows another one does next about one keyspace. Pure.
//
//     the version wanted is here as           and                            ->
//     the current one                                                        current
//     one that failed its gate                                               rejected: for a person, or a newer version
//     an older one                            the source went back to it     promote it
//     a newer one                             the source has just moved      promote it
//     a newer one                             otherwise                      held-back: somebody rolled back here
//     (not at all)                                                           take it

/** A kept version of this cluster. */
export interface PresentVersion {
  readonly number: number;
  readonly isCurrent: boolean;
  readonly isRejected: boolean;
  readonly digest: string;
}

export type NextStep =
  | { readonly kind: 'current' | 'rejected' | 'held-back' | 'promote'; readonly version: number }
  | { readonly kind: 'take' };

/**
 * `digest`: of the version wanted; equal digests mean equal records, however the version came here.
 * `hasMoved`: whether the source had another version when this process looked last.
 */
export function nextStep(
  digest: string,
  versions: readonly PresentVersion[],
  hasMoved: boolean,
): NextStep {
  const current = versions.find(({ isCurrent }) => isCurrent);
  if (current?.digest === digest) return { kind: 'current', version: current.number };
  const same = versions.filter((version) => version.digest === digest);
  const kept = same.findLast(({ isRejected }) => !isRejected);
  if (kept !== undefined) {
    const isAhead = kept.number > (current?.number ?? 0);
    const kind = isAhead && !hasMoved ? 'held-back' : 'promote';
    return { kind, version: kept.number };
  }
  const refused = same.at(-1);
  return refused === undefined ? { kind: 'take' } : { kind: 'rejected', version: refused.number };
}
