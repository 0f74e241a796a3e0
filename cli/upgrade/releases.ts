// Which release each process of a cluster runs, and how releases compare.

import type { MasterSummary, NodeSummary } from '../../proto/gen/stele/v1/cluster.ts';

/** A process of a cluster, and its release; undefined if that is not known. */
export interface RunningProcess {
  /** `master 10.0.0.5:8400`, `datanode node-0`. */
  readonly title: string;
  readonly role: 'master' | 'datanode';
  /** The address of a master, the name of a datanode. */
  readonly name: string;
  readonly release: string | undefined;
}

/** Masters first. `asked` stands for a master that does not know its own address. */
export function processesOf(
  { masters }: { readonly masters: readonly MasterSummary[] },
  { nodes }: { readonly nodes: readonly NodeSummary[] },
  asked: string,
): RunningProcess[] {
  const process = (
    role: RunningProcess['role'],
    name: string,
    release: string | undefined,
  ): RunningProcess => ({ title: `${role} ${name}`, role, name, release });
  return [
    ...masters.map(({ address, release }) => process('master', address || asked, release)),
    ...nodes.map(({ node, release }) => process('datanode', node?.id ?? '', release)),
  ];
}

/**
 * Negative if `one` is older than `other`, positive if it is newer, by the precedence of Semantic
 * Versioning 2.0.0 (section 11).
 */
export function compareReleases(one: string, other: string): number {
  const [left, right] = [parts(one), parts(other)];
  const byNumber = compareLists(left.numbers, right.numbers);
  if (byNumber !== 0) return byNumber;
  // A pre-release comes before its release.
  if (left.preRelease.length === 0 || right.preRelease.length === 0) {
    return right.preRelease.length - left.preRelease.length;
  }
  return compareLists(left.preRelease, right.preRelease);
}

function parts(release: string): { numbers: string[]; preRelease: string[] } {
  const [withoutBuild = ''] = release.split('+');
  const dash = withoutBuild.indexOf('-');
  const core = dash === -1 ? withoutBuild : withoutBuild.slice(0, dash);
  return {
    numbers: core.split('.'),
    preRelease: dash === -1 ? [] : withoutBuild.slice(dash + 1).split('.'),
  };
}

function compareLists(left: readonly string[], right: readonly string[]): number {
  for (const [at, one] of left.entries()) {
    const other = right[at];
    if (other === undefined) return 1;
    const order = compareIdentifiers(one, other);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** Numbers by value and before words, words by their characters. */
function compareIdentifiers(one: string, other: string): number {
  const [left, right] = [one, other].map((text) => (/^\d+$/.test(text) ? Number(text) : undefined));
  if (left !== undefined && right !== undefined) return left - right;
  if (left !== undefined || right !== undefined) return left === undefined ? 1 : -1;
  return one < other ? -1 : Number(one > other);
}
