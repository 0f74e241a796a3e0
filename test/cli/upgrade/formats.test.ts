import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../cli/doctor/finding.ts';
import { checkFormats, checkReleases } from '../../../cli/upgrade/formats.ts';
import type { RunningProcess } from '../../../cli/upgrade/releases.ts';

const OWN = { release: '0.3.0', segment: { written: 2, read: [1, 2] }, catalog: 2 };

const running = (...releases: (string | undefined)[]): RunningProcess[] =>
  releases.map((release, at) => {
    const name = `node-${at}`;
    return { title: `datanode ${name}`, role: 'datanode', name, release };
  });
const brief = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, text }) => `${level}: ${text}`);

describe('releases', () => {
  it.each([
    [['0.3.0', '0.3.0'], 'ok: this is 0.3.0, as on 2 of 2 processes'],
    [['0.2.0', '0.3.0', '0.1.0'], 'ok: this is 0.3.0; 2 of 3 processes still run 0.1.0 and 0.2.0'],
  ])('%j may be replaced', (releases, text) => {
    expect(brief(checkReleases(running(...releases), OWN, false))).toEqual([text]);
  });

  it('that do not tell are unknown, and no failure', () => {
    const found = brief(checkReleases(running(undefined, '0.3.0'), OWN, false));
    expect(found).toEqual([
      'ok: this is 0.3.0, as on 1 of 2 processes',
      expect.stringMatching(/^warn: not known of datanode node-0: it does not answer, or/),
    ]);
  });

  it('that are newer are refused, unless to go back is what is meant', () => {
    const newer = running('0.3.1', '0.3.0');
    expect(checkReleases(newer, OWN, false)).toMatchObject([
      { level: 'fail', text: expect.stringContaining('datanode node-0 (0.3.1)') as string },
    ]);
    expect(checkReleases(newer, OWN, true)).toMatchObject([{ level: 'warn' }]);
  });
});

describe('formats', () => {
  it('are fine where this release writes what the cluster has', () => {
    const levels = checkFormats({ segment: 2, catalog: 2 }, OWN).map(({ level }) => level);
    expect(levels).toEqual(['ok', 'ok']);
  });

  it('that would be switched on end the way back', () => {
    const [segment] = checkFormats({ segment: 1, catalog: 2 }, OWN);
    expect(segment).toMatchObject({
      level: 'warn',
      text: expect.stringContaining('the last datanode was replaced switches to 2') as string,
    });
  });

  it('that this release does not read are a failure', () => {
    const [segment, catalog] = checkFormats({ segment: 3, catalog: 3 }, OWN);
    expect([segment?.level, catalog?.level]).toEqual(['fail', 'fail']);
    expect(segment?.text).toBe(
      'the cluster has segments of format 3; this release writes 2 and reads 1, 2',
    );
  });

  it('that nobody tells are those of the first releases for segments, and unknown for the catalog', () => {
    const [segment, catalog] = checkFormats(undefined, {
      ...OWN,
      segment: { written: 1, read: [1] },
    });
    expect([segment?.level, catalog?.level]).toEqual(['ok', 'warn']);
  });
});
