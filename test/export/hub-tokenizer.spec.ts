import { expect } from 'chai';
import { hubTokenizer, hubTokenizerConfig } from '../../src/export/hub-tokenizer.js';
import { byteTokenizer } from '../../src/models/byte-tokenizer.js';
import { tinyTokenizer } from '../text/random-bert.js';

const spec = { kind: 'tokens', maxLength: 32, inputs: { ids: { name: 'ids', dtype: 'int64' } } } as const;

describe('a tokenizer for transformers', () => {
  it('is given the fields that its library insists on, and is unchanged where it has them', () => {
    const { added_tokens: added, decoder } = JSON.parse(hubTokenizer(byteTokenizer())) as {
      added_tokens: object[];
      decoder: object;
    };
    expect(added[0]).to.include({ content: '<pad>', special: true, single_word: false, normalized: false });
    expect(decoder).to.include({ type: 'ByteLevel', trim_offsets: true });
    const whole = hubTokenizer(byteTokenizer());
    expect(hubTokenizer(whole)).to.equal(whole);
  });

  it('names the token that texts were filled up with, and the length that they were cut to', () => {
    const tokenizer = { json: tinyTokenizer(), config: JSON.stringify({ model_max_length: 512 }) };
    expect(hubTokenizerConfig({ ...spec, tokenizer, padId: 0 })).to.deep.equal({
      tokenizer_class: 'PreTrainedTokenizerFast',
      model_input_names: ['input_ids'],
      model_max_length: 32,
      pad_token: '[PAD]',
      padding_side: 'right',
      truncation_side: 'right',
    });
    const left = { ...tokenizer, config: '{"truncation_side":"left"}' };
    expect(hubTokenizerConfig({ ...spec, tokenizer: left })).to.include({ truncation_side: 'left' });
  });

  it('is asked for what the model takes, whatever names the model has for it', () => {
    const tokenizer = { json: tinyTokenizer(), config: JSON.stringify({ model_input_names: ['input_ids'] }) };
    const [mask, types] = ['mask', 'segments'].map((name) => ({ name, dtype: 'int32' as const }));
    const inputs = { ...spec.inputs, mask: mask!, types: types! };
    expect(hubTokenizerConfig({ ...spec, tokenizer, inputs })).to.deep.include({
      model_input_names: ['input_ids', 'token_type_ids', 'attention_mask'],
    });
  });

  it('tells nothing of the machine, and of no code, that it came from', () => {
    const config = JSON.stringify({ name_or_path: '/home/somebody', auto_map: { AutoTokenizer: 'a.b' } });
    const written = hubTokenizerConfig({ ...spec, tokenizer: { json: tinyTokenizer(), config } });
    expect(written).to.not.have.any.keys('name_or_path', 'auto_map');
  });
});
