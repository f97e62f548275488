import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { cutLongest } from '../../src/text/encode-pair.js';
import { loadTokenizer, type TextTokenizer } from '../../src/text/load-tokenizer.js';
import { tinyTokenizer } from './random-bert.js';

/** A text by its number in tokenizers.json, and how often it is repeated. */
type Repeated = readonly [number, number];
/** By "whole" or side and length: ids, and types with how many there are in a row. */
type Case = Readonly<Record<string, readonly [readonly number[], readonly (readonly [number, number])[]]>>;

interface Fixture {
  readonly pairs: readonly (readonly [Repeated, Repeated])[];
  readonly tokenizers: readonly {
    readonly name: string;
    readonly base: string;
    readonly post_processor: object | null;
    readonly cases: readonly Case[];
  }[];
  readonly minilm: readonly Case[];
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(path.resolve('test/text/fixtures', name), 'utf8'));
const fixture = read('pairs.json') as Fixture;
const { texts, tokenizers: known } = read('tokenizers.json') as {
  readonly texts: readonly string[];
  readonly tokenizers: readonly { readonly name: string; readonly json: object }[];
};
const minilm = path.resolve('../shared/models/minilm-tokenizer/tokenizer.json');

function expectCases(json: string, cases: readonly Case[]): void {
  const load = (side: string): TextTokenizer =>
    loadTokenizer({ json, config: JSON.stringify({ truncation_side: side }) }, 'pairs');
  const loaded: Readonly<Record<string, TextTokenizer>> = { right: load('right'), left: load('left') };
  for (const [i, pair] of fixture.pairs.entries()) {
    const [first, second] = pair.map(([number, times]) => texts[number]!.repeat(times)) as [string, string];
    for (const [how, [ids, types]] of Object.entries(cases[i]!)) {
      const [side, length] =
        how === 'whole' ? ['right', 1e6] : [how.split(' ')[0]!, Number(how.split(' ')[1])];
      const expected = { ids, types: types.flatMap(([type, count]) => new Array<number>(count).fill(type)) };
      const found = loaded[side]!.encodePair([first, second], length);
      expect(found, `${how} of ${JSON.stringify(pair)}`).to.deep.equal(expected);
    }
  }
}

describe('The tokens of two texts', () => {
  for (const { name, base, post_processor: processor, cases } of fixture.tokenizers) {
    it(`have the ids and types of Hugging Face's own library, whole and cut at either end: ${name}`, () => {
      const { json } = known.find((each) => each.name === base)!;
      expectCases(JSON.stringify({ ...json, post_processor: processor }), cases);
    });
  }

  it('have them with 30522 tokens', function () {
    if (!existsSync(minilm)) return this.skip();
    expectCases(readFileSync(minilm, 'utf8'), fixture.minilm);
  });

  it('are left of the longer text until both are as long, an odd one with the longer, of equals with the second', () => {
    // One after the other, as it is defined.
    const oneByOne = (first: number, second: number, room: number): [number, number] => {
      let [a, b] = [first, second];
      while (a + b > room) {
        if (a > b || (a === b && second >= first)) a--;
        else b--;
      }
      return [a, b];
    };
    for (let room = 0; room <= 9; room++)
      for (let a = 0; a <= 12; a++)
        for (let b = 0; b <= 12; b++)
          expect(cutLongest(a, b, room), `${a} and ${b} in ${room}`).to.deep.equal(oneByOne(a, b, room));
  });

  it('are found of two very long texts by their whole lengths, where one token is odd', () => {
    const { encodePair } = loadTokenizer({ json: tinyTokenizer() }, 'tiny');
    const long = 'good '.repeat(3000);
    // Three marks: 5 tokens are left of 8.
    const countsOf = (texts: readonly [string, string]): number[] => {
      const { ids } = encodePair(texts, 8);
      return [ids.indexOf(3) - 1, ids.lastIndexOf(3) - ids.indexOf(3) - 1];
    };
    expect(countsOf([long, long])).to.deep.equal([2, 3]);
    expect(countsOf([`${long}bad`, long])).to.deep.equal([3, 2]);
    expect(countsOf([long, `${long}bad`])).to.deep.equal([2, 3]);
  });

  it('are refused where the tokenizer has no place for the second', () => {
    const withPair = (pair: unknown) => {
      const post = { type: 'TemplateProcessing', single: [{ Sequence: { id: 'A', type_id: 0 } }], pair };
      const json = JSON.stringify({ ...JSON.parse(tinyTokenizer()), post_processor: post });
      return () => loadTokenizer({ json }, 'a/tokenizer.json').encodePair(['why', 'how'], 16);
    };
    for (const pair of [[], [{ Sequence: { id: 'A', type_id: 0 } }], null, 7, [null, 3]])
      expect(withPair(pair)).to.throw(
        /a\/tokenizer\.json cannot be used .* pairs of texts: its template for pairs/,
      );
  });
});
