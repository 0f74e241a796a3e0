// The parts that the schemas of routes are made of (JSON Schema, as in OpenAPI 3.1).

export const TEXT = { type: 'string' } as const;
export const COUNT = { type: 'integer', minimum: 0 } as const;
export const FLAG = { type: 'boolean' } as const;
export const TEXT_OR_NULL = { type: ['string', 'null'] } as const;
export const TEXTS = { type: 'array', items: TEXT } as const;
export const NODE_STATE = {
  type: 'string',
  enum: ['INITIALIZING', 'SERVING', 'DRAINING', 'DRAINED', 'SUSPECT', 'DOWN', 'UNSPECIFIED'],
} as const;
export const HEALTH_WORD = { type: 'string', enum: ['green', 'yellow', 'red', 'unknown'] } as const;
export const SLOTS = { type: 'array', items: COUNT, minItems: 2, maxItems: 2 } as const;

export interface Schema {
  readonly [keyword: string]: unknown;
}

/** An object with these members, optionally those of `optional`, and no others. */
export function object(
  required: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
) {
  return {
    type: 'object',
    required: Object.keys(required),
    additionalProperties: false,
    properties: { ...required, ...optional },
  } as const;
}

export function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] };
}

export function arrayOf(items: Schema): Schema {
  return { type: 'array', items };
}
