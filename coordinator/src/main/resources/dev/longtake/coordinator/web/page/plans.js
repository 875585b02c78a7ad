// Plans in words, and where a rank stands in one. Ranks are numbered branch group by branch group, in it stage by stage, in it
// sequence rank by sequence rank.

import { name } from './format.js';

export function branches(plan) {
  return plan.branchGroups || 1;
}

export function stages(plan) {
  return plan.stages?.length || 1;
}

export function ranks(plan) {
  return plan.sequenceRanks || 1;
}

/** For example "2 branches × 2 stages [0–14, 14–28] × 2 ranks (switch)". */
export function planText(plan) {
  const axes = [];
  if (branches(plan) > 1) {
    axes.push(`${branches(plan)} branches`);
  }
  if (stages(plan) > 1) {
    axes.push(`${stages(plan)} stages [${plan.stages.map(blocksText).join(', ')}]`);
  }
  if (ranks(plan) > 1) {
    const mode = name(plan.sequenceMode, 'SEQUENCE_MODE_');
    axes.push(`${ranks(plan)} ranks${mode && mode !== 'unspecified' ? ` (${mode})` : ''}`);
  }
  let words = axes.join(' × ') || '1 worker';
  if (plan.sequenceShares?.length) {
    words += `, shares ${plan.sequenceShares.join(':')}`;
  }
  if (plan.microBatches > 1) {
    words += `, ${plan.microBatches} parts`;
  }
  const wire = wireText(plan.wireFormat);
  return wire && axes.length > 0 ? `${words}, lossy wire ${wire}` : words;
}

/** Empty where nothing is lost. */
export function wireText(format) {
  const wire = name(format, 'WIRE_FORMAT_');
  return ['', 'unspecified', 'stored'].includes(wire) ? '' : wire;
}

export function blocksText(range) {
  return `${range.start ?? 0}–${range.end ?? 0}`;
}

/** Where a rank stands; all numbers count from 0. */
export function placeOf(plan, rank, blocks) {
  const perBranch = stages(plan) * ranks(plan);
  const stage = Math.floor((rank % perBranch) / ranks(plan));
  const range = plan.stages?.[stage] ?? { start: 0, end: blocks };
  return {
    branch: Math.floor(rank / perBranch),
    stage,
    sequenceRank: rank % ranks(plan),
    start: range.start ?? 0,
    end: range.end ?? blocks,
  };
}

/** Of the axes that are divided, or "alone". */
export function placeText(plan, place) {
  const axes = [];
  if (branches(plan) > 1) {
    axes.push(`branch ${place.branch + 1}/${branches(plan)}`);
  }
  if (stages(plan) > 1) {
    axes.push(`stage ${place.stage + 1}/${stages(plan)}`);
  }
  if (ranks(plan) > 1) {
    axes.push(`rank ${place.sequenceRank + 1}/${ranks(plan)}`);
  }
  return axes.join(', ') || 'alone';
}
