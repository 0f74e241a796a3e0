// promtool, which comes with Prometheus: what it says about metrics, rules and settings.

import { hasTool, runTool } from '../tools.ts';

/** Whether promtool is installed; says so if not (tools.ts). */
export function hasPromtool(): boolean {
  return hasTool('promtool', 'prometheus');
}

/**
 * The complaints about metrics in Prometheus' text format, a line each; empty if there are none.
 */
export function complaintsAbout(metrics: string): Promise<string> {
  return runTool('promtool', ['check', 'metrics'], metrics);
}
