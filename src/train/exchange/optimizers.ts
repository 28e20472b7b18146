// The optimizers as torch, transformers and bitsandbytes save them: what tells them apart, the settings of their groups,
// and the tensors that they keep for each parameter.
import { Tuple } from '../../files/pickle.js';
import type { OptimizerName } from '../engine-options.js';

/** The settings of a run that stand in an optimizer's groups. */
export interface Rates {
  /** The peak of the schedule. */
  learningRate: number;
  /** Of the next update. */
  currentLearningRate: number;
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
}

interface Layout {
  /** Keys of a group that no other optimizer here has together. */
  marks: readonly string[];
  /** Where the number of updates stands: in a tensor of each parameter, in a whole number, or nowhere. */
  step: 'tensor' | 'integer' | 'none';
  /** What a group says of the rates, beside learning rate and weight decay. */
  rates(rates: Rates): Record<string, unknown>;
  /** Settings that the engine's formula has built in. A file with others is of another optimizer. */
  formula: Readonly<Record<string, unknown>>;
  /** Settings that choose between implementations of the same formula, or do nothing. */
  more: Readonly<Record<string, unknown>>;
}

const adamRates = ({ beta1, beta2, epsilon }: Rates) => ({ betas: Tuple.of(beta1, beta2), eps: epsilon });

/**
 * The keys are those of torch 2.13 (torch/optim: adamw.py, sgd.py), transformers 5.17 (optimization.py: Adafactor) and
 * 4.41 (the same: AdamW), and bitsandbytes 0.50 (optim/optimizer.py).
 */
export const LAYOUTS: Readonly<Record<OptimizerName, Layout>> = {
  adamw_torch: {
    marks: ['betas', 'amsgrad'],
    step: 'tensor',
    rates: adamRates,
    formula: { amsgrad: false, maximize: false, decoupled_weight_decay: true },
    more: { foreach: null, capturable: false, differentiable: false, fused: null },
  },
  adamw_hf: {
    marks: ['betas', 'correct_bias'],
    step: 'integer',
    rates: adamRates,
    formula: { correct_bias: true },
    more: {},
  },
  adamw_bnb_8bit: {
    // Old versions have nothing else; the groups of the others with betas have.
    marks: ['betas'],
    step: 'integer',
    rates: adamRates,
    formula: { alpha: 0, t_alpha: null, t_beta3: null },
    more: {},
  },
  adafactor: {
    marks: ['scale_parameter', 'relative_step'],
    step: 'integer',
    rates: () => ({}),
    formula: {
      eps: Tuple.of(1e-30, 1e-3),
      clip_threshold: 1,
      decay_rate: -0.8,
      beta1: null,
      scale_parameter: false,
      relative_step: false,
      warmup_init: false,
    },
    more: {},
  },
  sgd: {
    marks: ['momentum', 'nesterov'],
    step: 'none',
    rates: () => ({}),
    formula: { momentum: 0, dampening: 0, nesterov: false, maximize: false },
    more: { foreach: null, differentiable: false, fused: null },
  },
};

/** All optimizers. */
export const OPTIMIZERS = Object.keys(LAYOUTS) as OptimizerName[];

/** A tensor of f32 that an optimizer keeps for a parameter; `kind` is its key in torch. */
export interface StateTensor {
  kind: string;
  shape: readonly number[];
}

/** What a parameter of that shape has, but for 8-bit moments: see eight-bit.ts. */
export function stateTensors(optimizer: OptimizerName, shape: readonly number[]): StateTensor[] {
  switch (optimizer) {
    case 'sgd':
      return [];
    case 'adafactor':
      if (shape.length === 1) return [{ kind: 'exp_avg_sq', shape }];
      return [
        { kind: 'exp_avg_sq_row', shape: shape.slice(0, -1) },
        { kind: 'exp_avg_sq_col', shape: [...shape.slice(0, -2), shape.at(-1)!] },
      ];
    case 'adamw_bnb_8bit':
      return [
        { kind: 'state1', shape },
        { kind: 'state2', shape },
      ];
    default:
      return [
        { kind: 'exp_avg', shape },
        { kind: 'exp_avg_sq', shape },
      ];
  }
}
