// The samples that the charts show: one a second or so, for the last 15 minutes, while the page is
// open.

import { effect, signal } from '@preact/signals';
import { health, stats } from './answers.ts';
import { lookupRates, sampleBetween } from './rates.ts';
import type { Look, Sample } from './rates.ts';

const SAMPLES_MAX = 900;
const OLDER_MS = 5000;

export const samples = signal<readonly Sample[]>([]);
/** Keys that each datanode looks up a second, over the last seconds. */
export const nodeLookups = signal<ReadonlyMap<string, number>>(new Map());
/** Of the last seconds, oldest first. */
let looks: Look[] = [];
let healthAtMs = 0;

/** Adds a sample for each answer of /v1/stats. */
export function collectSamples(): void {
  effect(() => {
    if (health.answer.value !== undefined) healthAtMs = performance.now();
  });
  effect(() => {
    const now = stats.answer.value;
    if (now === undefined) {
      looks = [];
      samples.value = [];
      return;
    }
    const look = { atMs: performance.now(), stats: now, health: health.answer.peek(), healthAtMs };
    nodeLookups.value = lookupRates(looks[0] ?? look, look);
    const before = looks.at(-1);
    if (before !== undefined) {
      const sample = sampleBetween(before, look, looks[0]);
      samples.value = [...samples.peek().slice(1 - SAMPLES_MAX), sample];
    }
    looks = [...looks.filter(({ atMs }) => atMs > look.atMs - OLDER_MS), look];
  });
}
