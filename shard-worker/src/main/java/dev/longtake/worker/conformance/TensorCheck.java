package dev.longtake.worker.conformance;

/**
 * One tensor held against its reference.
 *
 * @param maxAbsoluteError largest |ours - reference|
 * @param maxRelativeError the same, divided by the largest |reference|
 * @param tolerance on the relative error
 */
record TensorCheck(
    String tensor, double maxAbsoluteError, double maxRelativeError, double tolerance) {

  static TensorCheck compare(String tensor, float[] ours, double[] reference, double tolerance) {
    if (ours.length != reference.length) {
      // Another size can't be right, whatever the values.
      return new TensorCheck(tensor, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, tolerance);
    }
    double largest = 0;
    double error = 0;
    for (int i = 0; i < ours.length; i++) {
      largest = Math.max(largest, Math.abs(reference[i]));
      double difference = Math.abs(ours[i] - reference[i]);
      error = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(error, difference);
    }
    double relative = error == 0 ? 0 : error / largest;
    return new TensorCheck(tensor, error, relative, tolerance);
  }

  boolean passed() {
    return maxRelativeError <= tolerance;
  }
}
