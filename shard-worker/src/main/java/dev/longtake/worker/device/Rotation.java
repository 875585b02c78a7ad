package dev.longtake.worker.device;

/**
 * Rotary positions: the pairs of channels of each head are turned, pair k by the angle whose cosine and sine are in column
 * k of the tables and in the row of the token's position. The position of row r is {@code (r / rowsPerPosition) %
 * positions}, where {@code positions} is the number of rows of the tables.
 *
 * @param cosines [positions, head dimension / 2], F32
 * @param sines [positions, head dimension / 2], F32
 */
public record Rotation(Matrix cosines, Matrix sines, int rowsPerPosition, Pairing pairing) {}
