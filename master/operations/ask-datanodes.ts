// A question to all datanodes at once. Those that do not answer are named; the others are answered
// for.

import type { DatanodeLink } from '../../proto/ports.ts';
import type { Leader } from '../control/leader.ts';
import { eligibleNodes } from '../core/world/world.ts';

export async function askDatanodes<Answer extends object>(
  leader: Leader,
  ask: (link: DatanodeLink, nodeId: string) => Promise<Answer>,
): Promise<{ readonly answers: readonly Answer[]; readonly unanswered: string[] }> {
  const unanswered: string[] = [];
  const asked = eligibleNodes(leader.world).map(async ({ id }) => {
    try {
      return await ask(leader.roster.connections.requireClient(id), id);
    } catch {
      unanswered.push(id);
      return undefined;
    }
  });
  const answers = (await Promise.all(asked)).filter((answer) => answer !== undefined);
  return { answers, unanswered: unanswered.sort() };
}
