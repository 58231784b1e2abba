<?php

// A login that is remembered in Kask: KASK_URL=http://127.0.0.1:8080/sessions/v1/ php -S 127.0.0.1:8000 index.php

declare(strict_types=1);

use Kask\KaskClient;
use Kask\KaskException;
use Kask\KaskSessionHandler;

require __DIR__ . '/../autoload.php';

$kask = new KaskClient(getenv('KASK_URL') ?: 'http://127.0.0.1:8080/sessions/v1/');
(new KaskSessionHandler($kask, 'example:'))->register();

try {
    session_start(['cookie_httponly' => true, 'cookie_samesite' => 'Lax', 'gc_maxlifetime' => 3600]);
    if (isset($_POST['name']) && $_POST['name'] !== '') {
        // The id of a visitor may be known to others.
        session_regenerate_id(true);
        $_SESSION['name'] = $_POST['name'];
    }
    if (isset($_POST['logout'])) {
        session_destroy();
        $_SESSION = [];
    } else {
        session_write_close();
    }
} catch (KaskException $failure) {
    error_log($failure->getMessage());
    http_response_code(503);
    exit('Your session cannot be reached just now. You are still logged in: please try again.');
}
?>
<!doctype html>
<html lang="en">
<title>Sessions in Kask</title>
<form method="post">
<?php if (isset($_SESSION['name'])) : ?>
    <p>You are <?= htmlspecialchars($_SESSION['name']) ?>.</p>
    <button name="logout">Log out</button>
<?php else : ?>
    <label>Name <input name="name" required></label>
    <button>Log in</button>
<?php endif ?>
</form>
