// DuckDB as another writer and reader of files.

import { DuckDBInstance } from '@duckdb/node-api';

/**
 * Runs statements in a database of their own; returns the rows of the last one, all columns as
 * text.
 */
export async function duckdb(...statements: string[]): Promise<(string | null)[][]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    for (const statement of statements.slice(0, -1)) await connection.run(statement);
    const reader = await connection.runAndReadAll(statements.at(-1) ?? '');
    return reader.getRows().map((row) => row.map((cell) => (cell === null ? null : String(cell))));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
