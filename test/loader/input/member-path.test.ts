import { expect, it } from 'vitest';
import { hasMember, memberPath, pathText } from '../../../loader/input/member-path.ts';

it('a path is names with dots between, or a JSON Pointer', () => {
  expect(memberPath('id', '--key')).toEqual(['id']);
  expect(memberPath('user.id', '--key')).toEqual(['user', 'id']);
  expect(memberPath('1', '--key')).toEqual(['1']);
  expect(memberPath('/user.id', '--key')).toEqual(['user.id']);
  expect(memberPath('/a~1b/c~0d/~01', '--key')).toEqual(['a/b', 'c~d', '~1']);
  expect(memberPath('/', '--key')).toEqual(['']);
});

it('refuses text that is not a path, and says how to write it', () => {
  expect(() => memberPath('', '--key')).toThrow("--key '' is not a path: a name in it is empty");
  expect(() => memberPath('a..b', '--value')).toThrow('is written /na.me');
  expect(() => memberPath('/a~2', '--key')).toThrow('~ is written ~0');
  expect(() => memberPath('/a~', '--key')).toThrow('~ is written ~0');
  expect(() => memberPath('a.'.repeat(16) + 'a', '--key')).toThrow('at most 16 names');
});

it('a path is shown as it can be typed again', () => {
  for (const text of ['id', 'user.id', '/user.id', '/', '/a~1b/c.~0d', '/x.y/z']) {
    expect(pathText(memberPath(text, '--key'))).toBe(text);
    expect(memberPath(pathText(memberPath(text, '--key')), '--key')).toEqual(
      memberPath(text, '--key'),
    );
  }
});

it('a member is there if objects lead to it', () => {
  const line = { a: { b: null }, c: [{ d: 1 }], 'a.b': 2 };
  const has = (path: string): boolean => hasMember(line, memberPath(path, '--key'));
  expect(['a', 'a.b', 'c', '/a.b'].map(has)).toEqual([true, true, true, true]);
  expect(['b', 'a.b.c', 'c.0', 'c.length', 'toString', '__proto__'].map(has)).toEqual(
    Array.from({ length: 6 }, () => false),
  );
});
