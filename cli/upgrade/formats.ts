// Releases and formats: whether this release reads what the cluster has, and whether a way back is
// left.

import type { Formats } from '../../proto/gen/stele/v1/cluster.ts';
import { fail, ok, warn } from '../doctor/finding.ts';
import type { Finding } from '../doctor/finding.ts';
import { counted } from '../words.ts';
import { listed } from './checks.ts';
import { compareReleases } from './releases.ts';
import type { RunningProcess } from './releases.ts';

/** What a release is, reads and writes. */
export interface OwnRelease {
  readonly release: string;
  readonly segment: { readonly written: number; readonly read: readonly number[] };
  readonly catalog: number;
}

const GOING_BACK = 'docs/upgrades.md, "Going back"';
/** All releases that do not tell their formats write this one. */
const UNTOLD_SEGMENT_FORMAT = 1;

/** `goesBack`: this release is older than the cluster's on purpose. */
export function checkReleases(
  processes: readonly RunningProcess[],
  { release }: OwnRelease,
  goesBack: boolean,
): Finding[] {
  const unknown = processes.filter((one) => one.release === undefined);
  const known = processes.flatMap((one) => one.release ?? []);
  const newer = processes.filter(
    (one) => one.release !== undefined && compareReleases(one.release, release) > 0,
  );
  const findings: Finding[] = [];
  if (newer.length > 0) findings.push(newerFinding(newer, release, goesBack));
  else if (known.length > 0)
    findings.push(ok('releases', ageText(known, processes.length, release)));
  if (unknown.length > 0) {
    const text = `not known of ${listed(unknown.map(({ title }) => title))}: it does not answer, or runs a release that does not tell`;
    const advice = `Look there (\`stele version\`); this is ${release}.`;
    findings.push(warn('releases', text, advice));
  }
  return findings;
}

function newerFinding(
  newer: readonly RunningProcess[],
  release: string,
  goesBack: boolean,
): Finding {
  const names = listed(newer.map((one) => `${one.title} (${one.release ?? ''})`));
  const text = `newer than this one, which is ${release}: ${names}`;
  if (goesBack) {
    return warn('releases', text, `A way back is open only in the order of ${GOING_BACK}.`);
  }
  const advice = `Use the newer program here; if you mean to go back, read ${GOING_BACK}, and check with --back.`;
  return fail('releases', text, advice);
}

function ageText(known: readonly string[], count: number, release: string): string {
  const older = known.filter((one) => one !== release);
  const found = [...new Set(older)].toSorted(compareReleases).join(' and ');
  const [many, which] =
    older.length === 0 ? [known.length, ''] : [older.length, ` still run ${found}`];
  const some = `${many} of ${counted(count, 'process', 'processes')}`;
  return which === '' ? `this is ${release}, as on ${some}` : `this is ${release}; ${some}${which}`;
}

/** `formats`: of the cluster; undefined if its leader does not tell. */
export function checkFormats(formats: Formats | undefined, own: OwnRelease): Finding[] {
  return [
    segmentFinding(formats?.segment ?? UNTOLD_SEGMENT_FORMAT, own),
    catalogFinding(formats, own),
  ];
}

function segmentFinding(used: number, { release, segment }: OwnRelease): Finding {
  const check = 'segment format';
  const own = `this release writes ${segment.written} and reads ${segment.read.join(', ')}`;
  if (!segment.read.includes(used)) {
    const text = `the cluster has segments of format ${used}; ${own}`;
    return fail(check, text, 'Use a release that reads them: a datanode of this one is refused.');
  }
  if (segment.written > used) {
    const text = `the cluster uses ${used}; ${own}, so the first load after the last datanode was replaced switches to ${segment.written}`;
    const advice = `From then on datanodes from before ${release} are refused: go back before that load, or not at all.`;
    return warn(check, text, advice);
  }
  return ok(check, `the cluster uses ${used}; ${own}`);
}

function catalogFinding(formats: Formats | undefined, { catalog }: OwnRelease): Finding {
  const check = 'catalog format';
  if (formats === undefined) {
    const text = `the leader's release does not tell; this one reads and writes ${catalog}`;
    const advice =
      'Save the catalog first (`stele metadata backup`): a master that cannot read it says so and changes nothing.';
    return warn(check, text, advice);
  }
  if (formats.catalog === catalog) return ok(check, `${catalog}, as this release reads and writes`);
  const text = `the cluster has ${formats.catalog}, and this release reads and writes ${catalog}`;
  return fail(check, text, 'A master of this release does not start on it; see the release notes.');
}
