import { expect } from 'chai';
import { describeEvaluation } from '../../src/cli/describe-evaluation.js';
import { describeTraining } from '../../src/cli/describe-training.js';
import { describeGain } from '../../src/cli/describe-tuning.js';
import type { EvaluationReport } from '../../src/pipeline/evaluate-model.js';
import type { TrainReport } from '../../src/pipeline/training-run.js';
import { describeFolds, describeLabelErrors, describeScore } from '../../src/tasks/describe-score.js';

describe('What a result says', () => {
  it('of a gain and its deviation has one unit, points where it is of shares', () => {
    expect(describeGain({ mean: 0.01, std: 0.014 }, 'accuracy')).to.equal('+1.0 ± 1.4 points');
    expect(describeGain({ mean: -0.25, std: 0.5 }, 'r2')).to.equal('-0.2500 ± 0.5000');
  });

  it('of the errors of ordered classes is the same wherever it is told', () => {
    expect(describeScore({ loss: 1, accuracy: 0.5, mae: 0.25 })).to.include('mean steps off 0.2500');
    expect(describeScore({ loss: 1, r2: 0.5, mae: 0.25 })).to.include('mean absolute error 0.2500');
    const spread = { mean: 0.5, std: 0.1 };
    expect(describeFolds({ folds: 3, accuracy: spread, mae: spread })).to.include('mean steps off 0.5000');
  });

  it('of a class without examples is none, rather than that the model fails at it', () => {
    const shares = { precision: 1, recall: 1, f1: 1 };
    const report = {
      ...{ task: 'single' as const, examples: 1, loss: 0.1, accuracy: 1, balancedAccuracy: 1, skipped: [] },
      perClass: [
        { label: 'cat', ...shares, support: 1 },
        { label: 'dog', precision: 0, recall: 0, f1: 0, support: 0 },
      ],
    } as unknown as EvaluationReport;
    const text = describeEvaluation(report);
    expect(text).to.match(/^1 example\n/);
    expect(text)
      .to.match(/cat +100.0 % +100.0 % +100.0 % +1/)
      .and.match(/dog +- +- +- +0/);
  });

  it('of labels that look wrong is, where they are many, that the head may be wrong', () => {
    expect(describeLabelErrors({ found: 20, examples: 200 })).to.equal('20 of 200 labels look wrong');
    expect(describeLabelErrors({ found: 21, examples: 200 })).to.include("the head's own mistakes");
  });

  it('of layers that moved for nothing is that the head alone is kept', () => {
    const score = { loss: 0.5, accuracy: 0.85 };
    const report: Omit<TrainReport, 'stoppedAt'> = {
      ...{
        run: 'runs/a',
        task: 'single' as const,
        classes: ['a', 'b'],
        examples: { train: 8, validation: 2 },
      },
      ...{ train: score, validation: score, objective: 1, seconds: 1, solver: 'adamw' as const },
      headAlone: { train: score, validation: score },
    };
    expect(describeTraining({ ...report, stoppedAt: 0 }))
      .to.include('head alone')
      .and.include('is what is kept');
    expect(describeTraining({ ...report, stoppedAt: 3 })).to.include('before the layers moved');
  });
});
