import { it } from 'vitest';
import { REAL_INPUTS, isLarge } from '../support/inputs/real-data.ts';
import { expectValues } from './real-values.ts';

const small = REAL_INPUTS.filter((real) => !isLarge(real));

it.for(small)('every value of $name is what another parser says', (real) => expectValues(real));
