/**
 * What a step takes over from earlier ones, step by step.
 *
 * <p>A mode ({@link dev.longtake.common.stepcache.StepCacheMode}) is data in the order. Compiling turns it into marks in the flat list of
 * instructions ({@link dev.longtake.worker.engine.program.Instruction.Reuse}, {@link
 * dev.longtake.worker.engine.program.Instruction.Keep}); the {@link dev.longtake.worker.engine.reuse.ReuseSchedule} says for each step
 * which of the marked parts are left out; the executor ({@code exec.StepCache}) keeps results and puts them back. Nothing of this knows a
 * model.
 *
 * <p><b>The same bytes for any plan.</b> Broadcast follows from the sampler's table, which all ranks know. The first-block cache decides
 * from sums over all tokens of the batch, which are integers, so that their order doesn't matter; every rank gets those of all ranks that
 * hold the first block, and decides by itself. What is kept are rows, and stay with their rank: with a step cache tokens never change
 * their split for good, so that the rank that takes a result over is the one that kept it. Attention that needs another split gets its
 * input switched there and its result back, which are as many bytes as switching the residual stream twice.
 *
 * <p><b>Going on after an interruption.</b> What is kept is not part of a sampler's state. Instead a run may begin with just those steps
 * that take over nothing from before themselves, and after which everything that is taken over was computed since; states are sent only
 * before such steps ({@link dev.longtake.worker.engine.reuse.ReuseSchedule#isFresh}).
 */
@NullMarked
package dev.longtake.worker.engine.reuse;

import org.jspecify.annotations.NullMarked;
