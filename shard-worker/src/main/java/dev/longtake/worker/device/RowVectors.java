package dev.longtake.worker.device;

/**
 * One vector for each group of consecutive rows: rows {@code [g * rowsPerGroup, (g + 1) * rowsPerGroup)} use row
 * {@code vectorOfGroup[g]} of {@code table}. This is how every frame gets the modulation of its own timestep: a group is
 * a frame of a branch, the table holds one row per distinct timestep.
 *
 * @param table [vectors, channels], F32
 * @param vectorOfGroup {@link #NONE} leaves the group's rows as they are
 */
public record RowVectors(Matrix table, int[] vectorOfGroup, int rowsPerGroup) {
  /** A group without a vector. */
  public static final int NONE = -1;

  /** The same groups over other columns of the same table: {@code [from, to)}. */
  public RowVectors columns(int from, int to) {
    return new RowVectors(table.columns(from, to), vectorOfGroup, rowsPerGroup);
  }
}
