// One contender of the segment benchmark: node --expose-gc segment-contender.js NAME KEYS ROUNDS.
// Prints its figures as JSON.

import { CONTENDERS } from '../support/segment-contenders.ts';

const [name = '', keys, rounds] = process.argv.slice(2);
const measure = CONTENDERS[name as keyof typeof CONTENDERS];
console.log(JSON.stringify(await measure(Number(keys), Number(rounds))));
