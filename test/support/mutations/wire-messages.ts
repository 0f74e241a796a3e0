// Protobuf messages of every kind in the contracts, with unexpected values, from a seed.
//
// They are made from the descriptors, field by field, as bytes, because the generated encoders
// would refuse many of them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import type { Mutator } from './mutations.ts';
import { PROJECT } from '../process/stele-process.ts';

interface FieldDescriptor {
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}

interface MessageDescriptor {
  readonly field: readonly FieldDescriptor[];
}

export interface WireMethod {
  /** `/stele.v1.LookupService/Lookup` */
  readonly path: string;
  readonly request: MessageDescriptor;
}

const DESCRIPTORS = loadFileDescriptorSetFromBuffer(
  readFileSync(join(PROJECT, 'proto', 'gen', 'stele.binpb')),
);
const DEPTH_MAX = 4;
const NUMBERS = [0n, 1n, 2n, 7n, 127n, 128n, 10_001n, 2n ** 31n - 1n, 2n ** 32n - 1n, 2n ** 53n];
const NUMBERS_TOO_LARGE = [2n ** 63n, 2n ** 64n - 1n];
const BYTES = [
  ...['', 'key-1', 'key-2', '\0', '\u00ff\u00fe', '\u00c3\u0028', '__proto__', 'constructor'],
  ...['../../x', 'green', '*', 'x'.repeat(300), 'k'.repeat(70_000), '0', '-1', '[a-'],
].map((text) => Buffer.from(text, 'latin1'));

/** The methods of Stele's services, by the names of their services. */
export function wireMethods(service: string): WireMethod[] {
  const definition = DESCRIPTORS[`stele.v1.${service}`];
  if (definition === undefined) throw new Error(`There is no service ${service}.`);
  return Object.values(definition).map((method) => {
    const { path, requestType } = method as { path: string; requestType: { type: unknown } };
    return { path, request: requestType.type as MessageDescriptor };
  });
}

/** A message of that type; `names` are candidates for its strings. */
export function wireMessage(
  descriptor: MessageDescriptor,
  mutator: Mutator,
  names: readonly string[],
  depth = 0,
): Buffer {
  const pieces = descriptor.field.flatMap((field) => {
    const count = field.label === 'LABEL_REPEATED' ? mutator.below(4) : Number(!mutator.chance(4));
    return Array.from({ length: count }, () => fieldBytes(field, mutator, names, depth));
  });
  return Buffer.concat(pieces);
}

function fieldBytes(
  field: FieldDescriptor,
  mutator: Mutator,
  names: readonly string[],
  depth: number,
): Buffer {
  switch (field.type) {
    case 'TYPE_MESSAGE': {
      const nested = messageNamed(field.typeName);
      if (nested === undefined || depth >= DEPTH_MAX) return Buffer.alloc(0);
      return lengthDelimited(field.number, wireMessage(nested, mutator, names, depth + 1));
    }
    case 'TYPE_STRING':
      if (!mutator.chance(3))
        return lengthDelimited(field.number, Buffer.from(mutator.pick(names)));
      return lengthDelimited(field.number, mutator.pick(BYTES));
    case 'TYPE_BYTES':
      return lengthDelimited(
        field.number,
        mutator.chance(3) ? mutator.bytes(mutator.below(40)) : mutator.pick(BYTES),
      );
    case 'TYPE_DOUBLE':
    case 'TYPE_FIXED64':
      return Buffer.concat([varint(BigInt(field.number * 8 + 1)), mutator.bytes(8)]);
    default:
      return Buffer.concat([
        varint(BigInt(field.number * 8)),
        varint(mutator.pick(mutator.chance(20) ? NUMBERS_TOO_LARGE : NUMBERS)),
      ]);
  }
}

/** `.stele.v1.OrderHeader`, or only the part after its last dot. */
function messageNamed(typeName: string): MessageDescriptor | undefined {
  const name = typeName.slice(typeName.lastIndexOf('.') + 1);
  const found = DESCRIPTORS[`stele.v1.${name}`];
  return found === undefined ? undefined : (found as unknown as { type: MessageDescriptor }).type;
}

function lengthDelimited(fieldNumber: number, bytes: Buffer): Buffer {
  const head = [varint(BigInt(fieldNumber * 8 + 2)), varint(BigInt(bytes.length))];
  return Buffer.concat([...head, bytes]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  bytes.push(Number(left));
  return Buffer.from(bytes);
}
