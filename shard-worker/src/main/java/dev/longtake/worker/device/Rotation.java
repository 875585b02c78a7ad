package dev.longtake.worker.device;

/**
 * Rotary positions: channels (2k, 2k + 1) of each head are turned by the angle of the row's position, whose cosine and
 * sine are in row {@code position} of the tables. The position of row r is {@code (r / rowsPerPosition) % positions},
 * where {@code positions} is the number of rows of the tables.
 *
 * @param cosines [positions, head dimension / 2], F32
 * @param sines [positions, head dimension / 2], F32
 */
public record Rotation(Matrix cosines, Matrix sines, int rowsPerPosition) {}
