import { expect } from 'chai';
import { listInputs } from '../../src/pipeline/list-inputs.js';

describe('Inputs of a prediction', () => {
  const listed = (kind: 'pixels' | 'tokens', ...inputs: readonly string[]) => listInputs({ inputs }, kind);

  it('are images at addresses too, as in tables, for a model of images', async () => {
    const [web, file] = await listed('pixels', 'https://host/a.jpg', 'file:///photos/b%20c.jpg');
    expect(web).to.deep.equal({
      ...{ path: 'https://host/a.jpg', source: { kind: 'url', url: 'https://host/a.jpg' } },
    });
    expect(file).to.deep.equal({ path: '/photos/b c.jpg' });
  });

  it('are no addresses for a model of texts, which takes them as texts', async () => {
    const [text] = await listed('tokens', 'https://host/a.jpg');
    expect(text!.source).to.deep.equal({ kind: 'text', text: 'https://host/a.jpg' });
  });

  it('whose address holds a password are not asked for, and other addresses are no paths', async () => {
    const [secret, other] = await listed('pixels', 'http://me:secret@host/a.jpg', 'ftp://host/a.jpg');
    expect(secret!.error!.message).to.match(/password is not asked for/);
    expect(other!.error!.message).to.equal('There is no file ftp://host/a.jpg; check the path.');
  });
});
